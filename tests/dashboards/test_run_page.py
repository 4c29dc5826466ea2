"""What the pages Run and Ranks show of the demo's runs."""

import pytest
from asking import asked, query_of, run_named
from engine import Engine
from transformations import missing, transformed


def test_the_first_value_that_cannot_be_drawn_is_marked_at_its_step(engine: Engine) -> None:
    answer = asked(
        query_of("Run", "$metric (trend)"), engine, run=run_named(engine, "diverging"), metric=["train/loss"]
    )
    marked = [row[answer.names.index("step")] for row in answer.rows if row[answer.names.index("bad")] is not None]
    ((expected,),) = engine.ask(
        "SELECT first_nonfinite_step FROM metric_summary INNER JOIN runs USING (run_id) "
        "WHERE name = 'diverging' AND metric = 'train/loss'"
    ).rows
    assert marked == [expected]


def test_a_run_that_is_not_there_gives_its_charts_one_empty_row(engine: Engine) -> None:
    for where in ("$metric (trend)", "GPU memory"):
        answer = asked(query_of("Run", where), engine, run="no such run")
        assert len(answer.rows) == 1
        assert answer.rows[0][-1] is None


def test_a_resumed_run_has_its_attempts_and_no_superseded_points(engine: Engine) -> None:
    run = run_named(engine, "killed-and-resumed")
    attempts = asked(query_of("Run", "Attempts"), engine, run=run)
    assert [row[attempts.names.index("number")] for row in attempts.rows] == [1, 2]
    chart = asked(query_of("Run", "$metric (trend)"), engine, run=run, metric=["train/loss"])
    ((points,),) = engine.ask(f"SELECT count() FROM points WHERE run_id = '{run}' AND metric = 'train/loss'").rows
    assert len(chart.rows) == points


def test_the_states_of_a_killed_run_are_those_of_its_two_lives(engine: Engine) -> None:
    states = asked(query_of("Run", "States over time"), engine, run=run_named(engine, "killed-and-resumed"))
    assert [row[1:] for row in states.rows] == [
        ["rank 0", state] for state in ("running", "lost", "running", "finished")
    ]
    attempts = engine.ask(
        "SELECT started, ended FROM attempts INNER JOIN runs USING (run_id) "
        "WHERE name = 'killed-and-resumed' ORDER BY started"
    )
    assert [row[0] for row in states.rows] == [time for row in attempts.rows for time in row]


def test_a_run_that_is_not_there_has_one_state_in_words(engine: Engine) -> None:
    (row,) = asked(query_of("Run", "States over time"), engine, run="no such run").rows
    assert row[1:] == ["no attempt is known", "unknown"]


def test_the_best_checkpoint_is_marked_and_stands_first(engine: Engine) -> None:
    run = run_named(engine, "overfitting")
    artifacts = asked(query_of("Run", "Artifacts"), engine, run=run)
    if not artifacts.rows:
        pytest.fail("the demo's run has no artifact")
    best = [row[artifacts.names.index("best")] for row in artifacts.rows]
    assert best[0] == "best" and best.count("best") >= 1


def test_the_straggler_stands_first(engine: Engine) -> None:
    answer = asked(query_of("Ranks", "Stragglers"), engine, run=run_named(engine, "data-parallel-4"))
    assert len(answer.rows) == 4
    assert answer.rows[0][answer.names.index("rank")] == 2
    header = asked(query_of("Ranks", "Ranks of"), engine, run=run_named(engine, "data-parallel-4"))
    ((ranks, verdict, slowest, factor, silent),) = header.rows
    assert (ranks, verdict, slowest, silent) == ("4", "straggler", "2", "none")
    assert float(factor.partition(" ")[0]) == answer.rows[0][answer.names.index("times the median")]


def test_every_rank_has_its_line_and_lies_in_the_band(engine: Engine) -> None:
    run = run_named(engine, "data-parallel-4")
    lines = asked(query_of("Ranks", "$metric by rank"), engine, run=run, metric="time/step_ms")
    band = asked(query_of("Ranks", "$metric over ranks"), engine, run=run, metric="time/step_ms")
    bounds = {row[0]: (row[1], row[3]) for row in band.rows}
    assert {name for _, _, name, _ in lines.rows} == {f"rank {rank}" for rank in range(4)}
    assert all(bounds[step][0] <= value <= bounds[step][1] for step, _, _, value in lines.rows)


@pytest.mark.timeout(400)
@pytest.mark.skipif(bool(missing()), reason=missing())
def test_a_heat_map_has_a_row_for_each_rank_and_is_empty_in_words(engine: Engine) -> None:
    query = query_of("Ranks", "$metric, rank")
    assert query.panel is not None
    made = query.panel["transformations"]
    run = run_named(engine, "data-parallel-4")
    answer = asked(query, engine, run=run, metric="time/step_ms")
    (frame,) = transformed(answer, made)
    steps, *rows = frame["fields"]
    # Were all names numbers, Grafana would take a time for x.
    assert [row["name"] for row in rows] == [f"rank 000{rank}" for rank in range(4)]
    assert steps["values"] == sorted({step for step, _, _ in answer.rows})
    drawn = {(step, row["name"]): row["values"][place] for row in rows for place, step in enumerate(steps["values"])}
    assert drawn == {(step, name): value for step, name, value in answer.rows}
    (frame,) = transformed(asked(query, engine, run=run, metric="no such metric"), made)
    assert [field["name"] for field in frame["fields"]][1:] == ["no rank has it"]
    lines = asked(query_of("Ranks", "$metric by rank"), engine, run=run, metric="no such metric")
    assert lines.rows == [[0, "smooth", "no rank has it", None]]


@pytest.mark.timeout(400)
@pytest.mark.skipif(bool(missing()), reason=missing())
def test_a_timeline_has_a_line_for_each_rank(engine: Engine) -> None:
    query = query_of("Run", "States over time")
    assert query.panel is not None
    answer = asked(query, engine, run=run_named(engine, "data-parallel-4"))
    frames = transformed(answer, query.panel["transformations"])
    assert [frame["fields"][1]["labels"] for frame in frames] == [{"rank_name": f"rank {rank}"} for rank in range(4)]
    assert all(frame["fields"][1]["values"] == ["running", "finished"] for frame in frames)
