"""What panels draw after Grafana's own transformations, on rows of the real store."""

import pytest
from asking import asked, query_of, some_runs
from engine import Answer, Engine
from transformations import missing, transformed

pytestmark = [pytest.mark.skipif(bool(missing()), reason=missing()), pytest.mark.timeout(400)]


def test_lines_of_many_runs_become_one_frame_with_a_column_each(engine: Engine) -> None:
    query = query_of("Compare", "$metric (trend)")
    runs = some_runs(engine, 4)
    answer = asked(query, engine, run=runs, metric=["train/loss"], half="10")
    assert query.panel is not None
    (frame,) = transformed(answer, query.panel["transformations"])
    x, *lines = frame["fields"]
    assert x["name"] == "x" and x["values"] == sorted(set(x["values"]))
    drawn = {(line["labels"]["k"], line["labels"]["run_id"]): line["values"] for line in lines}
    assert len(drawn) == len(lines)
    assert [key for key in drawn if key[0] == "smooth"] == [("smooth", run) for run in sorted(runs)], (
        "colours follow this"
    )
    assert list(drawn)[: len(runs)] == [("smooth", run) for run in sorted(runs)], "smooth lines come first"
    for step, kind, run, _, value in answer.rows:
        assert drawn[kind, run][x["values"].index(step)] == value


def test_a_run_without_the_metric_keeps_its_column_and_so_the_colours_of_the_others(engine: Engine) -> None:
    query = query_of("Compare", "$metric (trend)")
    assert query.panel is not None
    runs = sorted(
        row[0] for row in engine.ask("SELECT toString(run_id) FROM runs WHERE name IN ('diabetes', 'overfitting')").rows
    )
    orders = []
    for metric in ("train/loss", "val/accuracy"):
        (frame,) = transformed(asked(query, engine, run=runs, metric=[metric]), query.panel["transformations"])
        orders.append([line["labels"]["run_id"] for line in frame["fields"][1:]])
    assert orders == [runs, runs]


def test_params_that_differ_become_a_row_each_with_a_column_for_each_run(engine: Engine) -> None:
    query = query_of("Compare", "Params that differ")
    assert query.panel is not None
    answer = asked(query, engine, run=some_runs(engine, 3))
    (frame,) = transformed(answer, query.panel["transformations"])
    keys, *columns = frame["fields"]
    shown = {
        (key, column["name"]): value
        for column in columns
        for key, value in zip(keys["values"], column["values"], strict=True)
        if value
    }
    assert shown == {(key, run): text for key, run, text in answer.rows if text}
    assert all(len({shown.get((key, column["name"])) for column in columns}) > 1 for key in keys["values"])


def test_no_rows_draw_nothing_and_raise_nothing() -> None:
    empty = Answer(["x", "k", "run_id", "run_name", "value"], ["Float64", "String", "String", "String", "Float64"], [])
    query = query_of("Compare", "$metric (trend)")
    assert query.panel is not None
    transformed(empty, query.panel["transformations"])
