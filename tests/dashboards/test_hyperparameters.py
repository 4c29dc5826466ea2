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
    for text, runs, mean, std, least, greatest in answer.rows:
        best = [row[1] for row in rows if row[3] == text]
        assert (runs, least, greatest) == (len(best), min(best), max(best))
        assert mean == pytest.approx(numpy.mean(best))
        if runs > 1:
            assert std == pytest.approx(numpy.std(best, ddof=1))


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
