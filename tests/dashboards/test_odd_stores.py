"""Statements on a store of which every run is odd: all of them run, and panels show what there is."""

from collections.abc import Iterator
from typing import Any

import odd_runs
import pytest
from asking import asked, pointed_at, query_of, uses
from drawing import sensible
from engine import Engine, opened
from odd_runs import DELETED, LONG, NAN, ODD, OTHER, POINT, QUOTED, SKEWED, UNKNOWN, YOUNG, Odd
from pages import Query, alert_queries, queries
from stores import made


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with opened(made(tmp_path_factory.mktemp("odd"), odd_runs.fill)) as engine:
        yield engine


def choices() -> list[tuple[Query, Odd]]:
    """Every statement with every run that may be chosen, or one of each metric where only that matters, or any."""
    of_each_metric = list({run.metric: run for run in reversed(ODD)}.values())
    found = []
    for query in queries():
        others = of_each_metric if uses(query, "metric") else ODD[:1]
        found += [(query, run) for run in (ODD if uses(query, "run", "run_a") else others)]
    return found


@pytest.mark.parametrize(("query", "run"), choices(), ids=str)
def test_an_odd_run_fails_no_panel_and_a_deleted_one_is_shown_nowhere(query: Query, run: Odd, odd: Engine) -> None:
    answer = asked(query, odd, **pointed_at(query, str(run.run_id), run.metric))
    sensible(query, answer)
    shown = str(answer.rows)
    assert not [text for text in odd_runs.DELETED_TEXTS if text in shown]


@pytest.mark.parametrize("query", alert_queries(), ids=str)
def test_odd_runs_fail_no_alert(query: Query, odd: Engine) -> None:
    assert not [row for row in odd.ask(query.sql).rows if str(DELETED.run_id) in row]


@pytest.mark.parametrize("run", [LONG, QUOTED], ids=str)
def test_names_of_any_length_and_kind_may_be_chosen_together(run: Odd, odd: Engine) -> None:
    """As experiment, tag, param, column and part of a name, on the page where all of these meet."""
    tag, param = ("t" * odd_runs.LONG_TAG, "k" * odd_runs.LONG_KEY) if run is LONG else (run.name, run.name)
    text = "v" * odd_runs.LONG_TEXT if run is LONG else run.name
    chosen: dict[str, Any] = {
        "experiment": [run.name],
        "tag": [f"{param}={tag}"],
        "param": [f"{param}={text}"],
        "name": run.name,
        "param_a": param,
    }
    answer = asked(query_of("Runs", "Leaderboard"), odd, metric=run.metric, **chosen)
    ((name, best, value),) = [
        [row[answer.names.index(one)] for one in ("run", "best", "param_a")] for row in answer.rows
    ]
    assert (name, best, value) == (run.name, 1, text)


def of(odd: Engine, page: str, title: str, run: Odd) -> list[dict[str, Any]]:
    """The rows of a panel by their columns' names."""
    query = query_of(page, title)
    answer = asked(query, odd, **pointed_at(query, str(run.run_id), run.metric))
    return [dict(zip(answer.names, row, strict=True)) for row in answer.rows]


def test_one_point_is_shown_by_every_chart(odd: Engine) -> None:
    assert of(odd, "Run", "$metric (trend)", POINT) == [{"step": 0, "last": 0.5, "min": 0.5, "max": 0.5, "bad": None}]
    (line,) = of(odd, "Compare", "$metric (trend)", POINT)
    assert (line["x"], line["k"], line["run_name"], line["value"]) == (0, "smooth", POINT.name, 0.5)
    training = [row for row in of(odd, "Training health", "Losses by step", POINT) if row["loss"] == "training"]
    assert training == [{"x": 0, "k": "smooth", "loss": "training", "value": 0.5}]
    (line,) = of(odd, "Ranks", "$metric by rank", POINT)
    assert (line["step"], line["rank_name"], line["value"]) == (0, "rank 0", 0.5)


def test_a_metric_of_only_nan_is_marked_at_its_first_step(odd: Engine) -> None:
    assert [row["step"] for row in of(odd, "Run", "$metric (trend)", NAN) if row["bad"] is not None] == [3]
    assert [row["step"] for row in of(odd, "Ranks", "$metric over ranks", NAN) if row["bad"] is not None] == [3]
    assert [row["x"] for row in of(odd, "Compare", "$metric (trend)", NAN) if row["k"] == "NaN/Inf"] == [3]
    assert [row["x"] for row in of(odd, "Training health", "Losses by step", NAN) if row["k"] == "NaN/Inf"] == [3]
    assert [row["step"] for row in of(odd, "Ranks", "$metric by rank", NAN) if row["k"] == "NaN/Inf"] == [3]
    (told,) = of(odd, "Training health", "NaN and infinity", NAN)
    assert (told["run"], told["metric"], told["first step"], told["value"]) == (NAN.name, NAN.metric, 3, "nan")
    (header,) = of(odd, "Run", "$run", NAN)
    assert header["diagnosis"] == "diverged"


@pytest.mark.parametrize("run", [YOUNG, OTHER], ids=str)
def test_a_run_without_the_metric_has_its_place_and_no_value(run: Odd, odd: Engine) -> None:
    for title in ("$metric (trend)", "$metric, logarithmic"):
        (line,) = of(odd, "Compare", title, run)
        assert (line["run_name"], line["value"]) == (run.name, None)
    (row,) = of(odd, "Compare", "The chosen runs", run)
    assert (row["run"], row["last"]) == (run.name, None)
    board = of(odd, "Runs", "Leaderboard", run)
    assert [row["best"] for row in board if row["run"] == run.name] == [None]
    assert board[0]["best"] is not None, "runs without the metric stand last"


def test_a_run_in_its_first_second_runs(odd: Engine) -> None:
    (header,) = of(odd, "Run", "$run", YOUNG)
    assert (header["state"], header["diagnosis"], header["last step"]) == ("running", "unknown", None)
    (state,) = of(odd, "Run", "States over time", YOUNG)
    assert (state["rank_name"], state["state"]) == ("rank 0", "running")


def test_a_run_of_which_only_metrics_are_known_has_a_name_to_click_and_is_not_said_to_run(odd: Engine) -> None:
    (state,) = of(odd, "Run", "States over time", UNKNOWN)
    assert state["state"] == "unknown"
    (name,) = [row["run"] for row in of(odd, "Runs", "Leaderboard", UNKNOWN) if row["run_id"] == str(UNKNOWN.run_id)]
    assert name == str(UNKNOWN.run_id)[-12:]


@pytest.mark.parametrize("run", [LONG, QUOTED], ids=str)
def test_names_arrive_as_they_are(run: Odd, odd: Engine) -> None:
    (header,) = of(odd, "Run", "$run", run)
    assert header["experiment"] == header["user"] == run.name
    (metric,) = of(odd, "Run", "Metrics", run)
    assert (metric["metric"], metric["last"]) == (run.metric, 3)
    assert [row["last"] for row in of(odd, "Run", "$metric (trend)", run)] == [1, 2, 3]
    assert {row["run_name"] for row in of(odd, "Compare", "$metric (trend)", run)} == {run.name}
    (tag,) = of(odd, "Run", "Tags", run)
    (artifact,) = of(odd, "Run", "Artifacts", run)
    texts = {row["value"] for row in of(odd, "Run", "Params", run)} | {tag["key"], tag["value"], artifact["name"]}
    if run is QUOTED:
        assert texts == {QUOTED.name, "3"}
    else:
        assert sorted(map(len, texts)) == sorted(
            [1, odd_runs.LONG_KEY, odd_runs.LONG_NAME, odd_runs.LONG_TAG, odd_runs.LONG_TEXT]
        )


def test_ranks_whose_clocks_differ_by_hours_stay_on_their_steps(odd: Engine) -> None:
    steps = list(range(odd_runs.RANK_STEPS))
    lines = of(odd, "Ranks", "$metric by rank", SKEWED)
    for rank in range(odd_runs.RANKS):
        line = [(row["step"], row["value"]) for row in lines if row["rank_name"] == f"rank {rank}"]
        assert line == [(step, 100.0 + rank) for step in steps]
    band = of(odd, "Ranks", "$metric over ranks", SKEWED)
    assert [(row["step"], row["min"], row["max"]) for row in band] == [(step, 100.0, 103.0) for step in steps]
    assert [(row["step"], row["value"]) for row in of(odd, "Ranks", "Spread", SKEWED)] == [
        (step, 3.0) for step in steps
    ]
    (header,) = of(odd, "Ranks", "Ranks of", SKEWED)
    assert (header["ranks"], header["slowest rank"], header["silent rank"]) == ("4", "3", "none")
    assert {row["state"] for row in of(odd, "Ranks", "Stragglers", SKEWED)} == {"finished"}
