"""Correlations and means of the page Hyperparameters, against the same by numpy."""

import numpy
import pytest
from asking import asked, query_of
from engine import Engine

BEST = (
    "SELECT s.run_id, s.max, p.number, p.text FROM metric_summary AS s INNER JOIN params AS p ON p.run_id = s.run_id "
    "WHERE s.metric = 'val/accuracy' AND p.key = 'optimizer.lr' ORDER BY s.run_id"
)
PAGE = "Hyperparameters"


def ranks(values: list[float]) -> list[float]:
    """Ranks, of equal values their mean."""
    order = sorted(values)
    return [(2 * order.index(value) + order.count(value) - 1) / 2 for value in values]


def test_correlations_are_those_of_numpy(engine: Engine) -> None:
    rows = engine.ask(BEST).rows
    best, number = [row[1] for row in rows], [row[2] for row in rows]
    answer = asked(query_of(PAGE, "Which params matter"), engine, metric="val/accuracy")
    found = {row[0]: row for row in answer.rows}["optimizer.lr"]
    assert found[1] == pytest.approx(numpy.corrcoef(ranks(number), ranks(best))[0, 1])
    assert found[2] == pytest.approx(numpy.corrcoef(number, best)[0, 1])
    assert found[4] == len(rows)
    strengths = [abs(row[1]) for row in answer.rows]
    assert strengths == sorted(strengths, reverse=True)


def test_means_and_deviations_are_those_of_numpy(engine: Engine) -> None:
    rows = engine.ask(BEST).rows
    answer = asked(query_of(PAGE, "By ${param_x}"), engine, metric="val/accuracy", param_x="optimizer.lr")
    for text, runs, _, mean, std, least, greatest in answer.rows:
        best = [row[1] for row in rows if row[3] == text]
        assert (runs, least, greatest) == (len(best), min(best), max(best))
        assert mean == pytest.approx(numpy.mean(best))
        assert std == (pytest.approx(numpy.std(best, ddof=1)) if runs > 1 else None)


def test_a_run_that_was_never_finite_is_counted_where_its_params_are(engine: Engine) -> None:
    ((lr,),) = engine.ask(
        "SELECT text FROM params INNER JOIN runs USING (run_id) WHERE name = 'diverging' AND key = 'optimizer.lr'"
    ).rows
    answer = asked(query_of(PAGE, "By ${param_x}"), engine, metric="val/loss", param_x="optimizer.lr")
    assert {row[0]: row[2] for row in answer.rows if row[2]} == {lr: 1}
    ((runs,),) = engine.ask("SELECT count() FROM metric_summary WHERE metric = 'val/loss'").rows
    assert sum(row[1] for row in answer.rows) == runs
    seeds = asked(query_of(PAGE, "Configurations over seeds"), engine, metric="val/loss")
    assert sum(row[1] for row in seeds.rows) == runs
    assert seeds.rows[-1][2:4] == [1, None], "without a mean it stands last"


def test_a_scatter_has_a_point_for_each_run_with_metric_and_param(engine: Engine) -> None:
    rows = engine.ask(BEST).rows
    answer = asked(query_of(PAGE, "${metric} against"), engine, metric="val/accuracy", param_x="optimizer.lr")
    assert sorted((row[4], row[1], row[0]) for row in answer.rows) == sorted((row[0], row[1], row[2]) for row in rows)


def test_configurations_put_seeds_together(engine: Engine) -> None:
    alone = asked(query_of(PAGE, "Configurations over seeds"), engine, metric="val/accuracy", seed="no such param")
    together = asked(query_of(PAGE, "Configurations over seeds"), engine, metric="val/accuracy", seed="optimizer.lr")
    assert sum(row[1] for row in alone.rows) == sum(row[1] for row in together.rows)
    assert len(together.rows) < len(alone.rows)
    assert not [row for row in together.rows if "optimizer.lr=" in row[0]]


@pytest.mark.parametrize("seed", ["model.width", "optimizer.lr"])
def test_means_over_seeds_are_those_of_runs_whose_other_params_are_equal(engine: Engine, seed: str) -> None:
    told: dict[str, set[tuple[str, str]]] = {}
    for run, key, text in engine.ask("SELECT toString(run_id), key, text FROM params").rows:
        told.setdefault(run, set()).update({(key, text)} if key != seed else set())
    groups: dict[frozenset[tuple[str, str]], list[float]] = {}
    sql = "SELECT toString(run_id), max FROM metric_summary WHERE metric = 'val/accuracy'"
    for run, best in engine.ask(sql).rows:
        groups.setdefault(frozenset(told[run]), []).append(best)
    expected = sorted((len(best), float(numpy.mean(best)), max(best)) for best in groups.values())
    assert any(runs > 1 for runs, _, _ in expected)
    answer = asked(query_of(PAGE, "Configurations over seeds"), engine, metric="val/accuracy", seed=seed)
    found = sorted((row[1], row[3], row[6]) for row in answer.rows)
    assert found == [pytest.approx(one) for one in expected]
    deviations = sorted(row[4] for row in answer.rows if row[1] > 1)
    assert deviations == pytest.approx(sorted(numpy.std(best, ddof=1) for best in groups.values() if len(best) > 1))
    means = [row[3] for row in answer.rows]
    assert means == sorted(means, reverse=True), "the best first"


def test_runs_that_differ_in_nothing_are_one_configuration(engine: Engine) -> None:
    answer = asked(
        query_of(PAGE, "Configurations over seeds"),
        engine,
        metric="train/loss",
        experiment=["diabetes"],
        better="lower",
    )
    ((value,),) = engine.ask(
        "SELECT min FROM metric_summary INNER JOIN runs USING (run_id) "
        "WHERE metric = 'train/loss' AND experiment = 'diabetes'"
    ).rows
    assert answer.rows == [["(none)", 1, 0, value, None, value, value]]


def test_the_best_run_stands_first_with_the_params_that_differ(engine: Engine) -> None:
    answer = asked(query_of(PAGE, "The best runs"), engine, metric="val/accuracy")
    run, name, best = engine.ask(
        "SELECT toString(run_id), name, s.max FROM metric_summary AS s INNER JOIN runs AS r ON r.run_id = s.run_id "
        "WHERE metric = 'val/accuracy' ORDER BY s.max DESC, run_id LIMIT 1"
    ).rows[0]
    assert answer.rows[0] == ["best val/accuracy", f"1. {name}", f"{best:.6g}"]
    texts = dict(engine.ask(f"SELECT key, text FROM params WHERE run_id = '{run}'").rows)
    shown = {key: text for key, row, text in answer.rows[1:] if row == f"1. {name}"}
    assert shown.items() <= texts.items()
    assert "optimizer.lr" in shown and "data.name" not in shown, "all of these runs have the same data"
