"""What the page Training health says of the demo's runs."""

from asking import asked, query_of, run_named
from engine import Answer, Engine


def column(answer: Answer, name: str) -> list[object]:
    return [row[answer.names.index(name)] for row in answer.rows]


def test_the_runs_that_are_known_to_go_wrong_stand_on_top(engine: Engine) -> None:
    answer = asked(query_of("Training health", "Diagnosis of every run"), engine)
    assert column(answer, "run")[:2] == ["diverging", "overfitting"]
    assert column(answer, "diagnosis")[:2] == ["diverged", "overfitting"]
    assert set(column(answer, "diagnosis")[2:]) <= {"straggler", "plateau", "improving", "too early", "unknown"}
    counts = asked(query_of("Training health", "Diagnoses"), engine)
    assert sum(counts.rows[0]) == len(answer.rows)


def test_the_first_bad_step_of_the_run_that_diverged_is_right(engine: Engine) -> None:
    answer = asked(query_of("Training health", "NaN and infinity"), engine)
    assert set(column(answer, "run")) == {"diverging"}
    ((step,),) = engine.ask(
        "SELECT min(step) FROM points INNER JOIN runs USING (run_id) "
        "WHERE name = 'diverging' AND metric = 'train/loss' AND NOT isFinite(value)"
    ).rows
    assert dict(zip(column(answer, "metric"), column(answer, "first step"), strict=True))["train/loss"] == step


def test_the_gap_of_the_overfitted_run_widens(engine: Engine) -> None:
    answer = asked(query_of("Training health", "Generalisation gap"), engine, run=run_named(engine, "overfitting"))
    gaps = [float(str(gap)) for gap in column(answer, "value") if gap is not None]
    # Validation is better at first, and worse for good after the training loss has gone on falling.
    assert len(gaps) > 10 and gaps[0] < 0
    assert min(gaps[len(gaps) // 2 :]) > 0.3


def test_both_losses_are_drawn_by_step_and_by_time(engine: Engine) -> None:
    run = run_named(engine, "overfitting")
    for where in ("Losses by step", "Losses by time"):
        answer = asked(query_of("Training health", where), engine, run=run)
        assert set(column(answer, "loss")) == {"training", "validation"}
    nobody = asked(query_of("Training health", "Losses by step"), engine, run="no such run")
    assert column(nobody, "loss") == ["no run"]


def test_the_first_value_that_is_not_finite_is_marked_on_its_curve(engine: Engine) -> None:
    run = run_named(engine, "diverging")
    answer = asked(query_of("Training health", "Losses by step"), engine, run=run)
    marks = [row for row in answer.rows if row[1] == "NaN/Inf"]
    ((step, value),) = engine.ask(
        f"SELECT first_nonfinite_step, last FROM metric_summary WHERE run_id = '{run}' AND metric = 'train/loss'"
    ).rows
    assert marks == [[step, "NaN/Inf", "training", value], [0, "NaN/Inf", "validation: no finite value", 0]]
    assert "validation: no finite value" in column(answer, "loss"), "it was never finite: there is no place for a mark"


def test_a_run_without_one_of_the_losses_has_an_empty_gap_and_no_error(engine: Engine) -> None:
    # A chart without any row shows an error instead.
    for name in ("diverging", "diabetes"):
        answer = asked(query_of("Training health", "Generalisation gap"), engine, run=run_named(engine, name))
        assert answer.rows and set(column(answer, "value")) == {None}
        assert set(column(answer, "what")) == {"validation less training: not both are there"}
    nobody = asked(query_of("Training health", "Generalisation gap"), engine, run="no such run")
    assert column(nobody, "value") == [None]
