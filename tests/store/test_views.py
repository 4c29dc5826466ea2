"""Every view against a model in plain Python, in any order of arrival and however often it arrives."""

import math
import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from history_model import History, Point, finite, random_history, visible
from store_process import Store

HISTORIES = [random_history(seed) for seed in range(30)]
VIEWS = ("points", "metric_summary", "metric_summary_by_rank", "runs", "attempts", "ledger")
POINTS = "SELECT run_id, metric, rank, attempt, step, toUnixTimestamp64Micro(time), value FROM points"


def arrive(store: Store, histories: list[History], rng: random.Random, times: int = 1) -> None:
    """Insert all batches so many times, in random order, some together and some alone."""
    batches = [batch for history in histories for batch in history.batches] * times
    rng.shuffle(batches)
    while batches:
        count = rng.choice([1, 10, 40])
        store.insert("metric", *batches[:count])
        del batches[:count]


@pytest.fixture(scope="module")
def full(new_store: Callable[[], Store]) -> Store:
    store = new_store()
    arrive(store, HISTORIES, random.Random(1))
    return store


def as_text(rows: list[tuple[Any, ...]]) -> list[str]:
    return sorted(map(repr, rows))


def test_points_are_those_that_no_later_attempt_supersedes(full: Store) -> None:
    found = defaultdict(list)
    for run_id, *rest in full.query(POINTS):
        found[run_id].append(tuple(rest))
    for history in HISTORIES:
        wanted = [(p.metric, p.rank, p.attempt, p.step, p.time, p.value) for p in visible(history)]
        assert as_text(found[history.run_id]) == as_text(wanted)
    assert any(len(visible(history)) < len(history.points) for history in HISTORIES)


def summaries(history: History) -> dict[tuple[str, int], list[Point]]:
    series = defaultdict(list)
    for point in visible(history):
        series[point.metric, point.rank].append(point)
    return series


def test_summaries_hold_last_extrema_and_first_non_finite_of_the_visible_points(full: Store) -> None:
    rows = full.query(
        "SELECT run_id, metric, rank, last, last_step, min, min_step, max, max_step, first_nonfinite_step "
        "FROM metric_summary_by_rank"
    )
    found = {(run_id, metric, rank): rest for run_id, metric, rank, *rest in rows}
    compared = 0
    for history in HISTORIES:
        for (metric, rank), points in summaries(history).items():
            last, last_step, low, low_step, high, high_step, nonfinite = found[history.run_id, metric, rank]
            good = finite(points)
            bad = [p.step for p in sorted(points, key=lambda p: (p.step, p.time)) if not math.isfinite(p.value)]
            assert nonfinite == (bad[0] if bad else None)
            if not good:
                assert last is None and low is None and high is None
                continue
            newest = max(good, key=lambda p: (p.step, p.time))
            assert (last, last_step) == (newest.value, newest.step)
            assert low == min(p.value for p in good) and high == max(p.value for p in good)
            assert low_step in {p.step for p in good if p.value == low}
            assert high_step in {p.step for p in good if p.value == high}
            compared += 1
    assert compared > 30


def test_a_runs_summary_is_that_of_the_lowest_rank_that_logged_the_metric(full: Store) -> None:
    found = {(run, metric): rank for run, metric, rank in full.query("SELECT run_id, metric, rank FROM metric_summary")}
    wanted = {}
    for history in HISTORIES:
        for metric, rank in summaries(history):
            key = (history.run_id, metric)
            wanted[key] = min(rank, wanted.get(key, rank))
    assert found == wanted


@pytest.mark.parametrize("points", [1, 3, 20, 100_000])
def test_no_extremum_of_any_series_vanishes_at_any_zoom(full: Store, points: int) -> None:
    for metric in ("a", "b"):
        rows = full.query(
            "SELECT run_id, rank, min(min), max(max), argMax(last, step), max(nonfinite) FROM chart(metric={m:String}, "
            "runs=[], points={n:UInt32}, step_min=-1000000, step_max=1000000) GROUP BY run_id, rank",
            m=metric,
            n=points,
        )
        found = {run_id: rest for run_id, *rest in rows}
        for history in HISTORIES:
            series = {rank: p for (name, rank), p in summaries(history).items() if name == metric}
            if not series:
                continue
            rank = min(series)
            good = finite(series[rank])
            if good:
                shown_rank, low, high, _, flags = found[history.run_id]
                assert shown_rank == rank
                assert (low, high) == (min(p.value for p in good), max(p.value for p in good))
                assert (flags > 0) == (len(good) < len(series[rank]))


def test_a_chart_with_enough_points_shows_every_step_with_its_last_value(full: Store) -> None:
    for history in HISTORIES[:20]:
        series = {rank: points for (name, rank), points in summaries(history).items() if name == "a"}
        if not series:
            continue
        newest: dict[int, Point] = {}
        for point in sorted(finite(series[min(series)]), key=lambda p: (p.step, p.time)):
            newest[point.step] = point
        rows = full.query(
            "SELECT step, last FROM chart(metric='a', runs={r:Array(UUID)}, points=100000, step_min=-1000000, "
            "step_max=1000000) WHERE isNotNull(last) ORDER BY step",
            r=[history.run_id],
        )
        assert rows == [(step, point.value) for step, point in sorted(newest.items())]


def test_replaying_everything_three_times_in_any_order_changes_no_view(
    new_store: Callable[[], Store], full: Store
) -> None:
    again = new_store()
    arrive(again, HISTORIES, random.Random(2), times=3)
    for view in VIEWS:
        columns = "* EXCEPT (updated, duration_s)" if view == "runs" else "*"
        assert as_text(again.query(f"SELECT {columns} FROM {view}")) == as_text(
            full.query(f"SELECT {columns} FROM {view}")
        )
    for table in ("point", "rollup_16", "rollup_coarse", "series", "batch"):
        again.command(f"OPTIMIZE TABLE {table} FINAL")
    for view in ("points", "metric_summary_by_rank"):
        assert as_text(again.query(f"SELECT * FROM {view}")) == as_text(full.query(f"SELECT * FROM {view}"))


def test_a_rollup_is_the_group_by_over_the_points(full: Store) -> None:
    for shift, source in ((4, "rollup_16"), (8, "rollup_coarse"), (12, "rollup_coarse"), (16, "rollup_coarse")):
        where = "" if shift == 4 else f"WHERE level = {1 << shift}"
        rolled = full.query(f"SELECT metric, run_id, rank, attempt, bucket FROM {source} FINAL {where} ORDER BY ALL")
        grouped = full.query(
            f"SELECT metric, run_id, rank, attempt, bitShiftRight(step, {shift}) AS bucket FROM point FINAL "
            "GROUP BY ALL ORDER BY ALL"
        )
        assert rolled == grouped
