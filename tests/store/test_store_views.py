"""The views against a plain model, over random histories and over the cases that are easy to get wrong."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from store_histories import METRICS, history
from store_model import Model
from store_process import Store

import support_events as events

EVERYWHERE = {"step_min": -(2**63), "step_max": 2**63 - 1}


def load(store: Store, model: Model, rng: random.Random, *, times: int = 1) -> None:
    """Insert everything `times` times, shuffled, in inserts of random size."""
    for name, records in (("metric", model.metrics), ("tag", model.deletions)):
        queue = records * times
        rng.shuffle(queue)
        while queue:
            size = rng.randint(1, 40)
            store.insert(name, *queue[:size])
            del queue[:size]


def points(store: Store) -> list[tuple[Any, ...]]:
    found = store.query(
        "SELECT metric, toString(run_id), rank, attempt, step, toUnixTimestamp64Micro(time), value FROM points"
    )
    return sorted((*row[:6], repr(row[6])) for row in found)


def summaries(store: Store, view: str) -> dict[tuple[str, str, int], tuple[Any, ...]]:
    found = store.query(
        "SELECT toString(run_id), metric, rank, last, last_step, toUnixTimestamp64Micro(last_time), min, min_step, "
        f"max, max_step, first_step, first_nonfinite_step, toString(first_nonfinite_value), nonfinite FROM {view}",
    )
    return {row[:3]: row[3:] for row in found}


def chart(store: Store, metric: str, shift: int, *, every_rank: bool) -> dict[tuple[str, int, int], tuple[Any, ...]]:
    """The buckets of a given width, by the same steps as chart_bucket takes."""
    found = store.query(
        """
        SELECT toString(run_id), rank, step,
            if(last = 0, NULL, reinterpretAsFloat64(toUInt64(last))),
            if(lo = bitNot(toUInt128(0)), NULL, reinterpretAsFloat64(if(low >= bitShiftLeft(toUInt64(1), 63),
                bitXor(low, bitShiftLeft(toUInt64(1), 63)), bitNot(low)))),
            if(hi = 0, NULL, reinterpretAsFloat64(if(high >= bitShiftLeft(toUInt64(1), 63),
                bitXor(high, bitShiftLeft(toUInt64(1), 63)), bitNot(high)))),
            nonfinite,
            if(nonfinite = 0, NULL, reinterpretAsInt64(bitXor(
                toUInt64(bitShiftRight(first_nonfinite, 64)), bitShiftLeft(toUInt64(1), 63))))
        FROM (
            SELECT *, toUInt64(bitShiftRight(lo, 64)) AS low, toUInt64(bitShiftRight(hi, 64)) AS high
            FROM chart_packed(metric = {metric:String}, runs = [], shift = {shift:UInt8}, whole = {whole:Bool},
                step_min = {step_min:Int64}, step_max = {step_max:Int64},
                parts = (SELECT parts FROM chart_plan(metric = {metric:String}, runs = [], points = 1,
                    step_min = {step_min:Int64}, step_max = {step_max:Int64}, all_ranks = {every_rank:Bool}))))
        """,
        metric=metric,
        shift=shift,
        whole=not every_rank,
        every_rank=every_rank,
        **EVERYWHERE,
    )
    assert len({row[:3] for row in found}) == len(found), "a bucket appears twice"
    return {row[:3]: row[3:] for row in found}


@pytest.fixture(scope="module")
def model() -> Model:
    histories = [history(seed) for seed in range(10)]
    return Model([e for metrics, _ in histories for e in metrics], [e for _, gone in histories for e in gone])


@pytest.fixture(scope="module")
def loaded(new_store: Callable[[], Store], model: Model) -> Store:
    store = new_store()
    load(store, model, random.Random(1))
    return store


@pytest.fixture
def fresh(new_store: Callable[[], Store]) -> Store:
    return new_store()


def test_points_and_summaries_agree_with_the_model(loaded: Store, model: Model) -> None:
    assert points(loaded) == sorted((*p[:6], repr(p.value)) for p in model.visible())
    expected = model.by_rank()
    lowest = model.lowest_rank()
    assert summaries(loaded, "metric_summary_by_rank") == expected
    assert summaries(loaded, "metric_summary") == {k: v for k, v in expected.items() if lowest[k[0], k[1]] == k[2]}
    # The histories hold what is hard: hidden bests, cut buckets, deletions, series without a finite value.
    assert len(model.visible()) < sum(map(len, model.stored().values()))
    assert loaded.one("SELECT countIf(incomplete) FROM amended_series") > 5
    assert loaded.one("SELECT countIf(deleted) FROM attempts") > 0


@pytest.mark.parametrize("shift", [0, 3, 4, 8, 12, 16, 18])
@pytest.mark.parametrize("every_rank", [False, True])
def test_a_chart_agrees_with_the_model_at_every_width(
    loaded: Store, model: Model, shift: int, every_rank: bool
) -> None:
    for metric in METRICS:
        expected = model.chart(metric, 2**shift, every_rank=every_rank)
        assert chart(loaded, metric, shift, every_rank=every_rank) == expected
        assert expected


def test_a_replay_of_everything_three_times_shuffled_changes_neither_charts_nor_summaries(
    new_store: Callable[[], Store], loaded: Store, model: Model
) -> None:
    again = new_store()
    load(again, model, random.Random(2), times=3)
    assert points(again) == points(loaded)
    for view in ("metric_summary_by_rank", "metric_summary"):
        assert summaries(again, view) == summaries(loaded, view)
    for shift in (0, 4, 8, 18):
        assert chart(again, METRICS[0], shift, every_rank=True) == chart(loaded, METRICS[0], shift, every_rank=True)


def test_what_rollups_hold_equals_a_group_by_over_the_points(loaded: Store) -> None:
    packed = "min(lo), max(hi), max(last), min(first_nonfinite), groupBitOr(nonfinite)"
    keys = "metric, toString(run_id), rank, attempt"
    for shift, table in ((4, "rollup_16"), (8, "rollup_coarse"), (12, "rollup_coarse"), (16, "rollup_coarse")):
        where = "" if shift == 4 else f"WHERE level = {2**shift}"
        stored = loaded.query(f"SELECT {keys}, bucket, {packed} FROM {table} {where} GROUP BY ALL ORDER BY ALL")
        assert stored == loaded.query(
            f"SELECT {keys}, bitShiftRight(step, {shift}) AS b, {packed} FROM packed_point GROUP BY ALL ORDER BY ALL"
        )
        assert stored


def test_the_best_value_of_a_superseded_part_is_gone_and_the_next_best_is_found(fresh: Store) -> None:
    run_id = _run(1)
    first = events.ATTEMPT
    later = first + 10_000_000
    values = [float(100 - step) for step in range(200)]
    values[150] = -1000.0
    values[37] = -500.0
    _insert(fresh, run_id, first, list(range(200)), values)
    _insert(fresh, run_id, later, list(range(101, 110)), [5.0] * 9)
    assert fresh.query("SELECT min, min_step, max, max_step, last, last_step FROM metric_summary") == [
        (-500.0, 37, 100.0, 0, 5.0, 109)
    ]
    # Also when the best lies in the bucket that is cut.
    _insert(fresh, run_id, later + 10_000_000, [38], [7.0])
    assert fresh.query("SELECT min, min_step, last, last_step FROM metric_summary") == [(-500.0, 37, 7.0, 38)]
    _insert(fresh, run_id, later + 20_000_000, [37], [8.0])
    assert fresh.query("SELECT min, min_step, last, last_step FROM metric_summary") == [(8.0, 37, 8.0, 37)]


def test_steps_that_the_producer_counted_supersede_nothing(fresh: Store) -> None:
    run_id = _run(2)
    _insert(fresh, run_id, events.ATTEMPT, [0, 1, 2], [1.0, 2.0, 3.0])
    _insert(fresh, run_id, events.ATTEMPT + 10_000_000, [0, 1], [10.0, 20.0], auto_steps=True)
    assert fresh.query("SELECT count() FROM points") == [(5,)]


def test_two_processes_with_one_rank_both_stay_visible(fresh: Store) -> None:
    run_id = _run(3)
    _insert(fresh, run_id, events.ATTEMPT, [0, 1, 2], [1.0, 2.0, 3.0], spacing=1_000_000)
    _insert(fresh, run_id, events.ATTEMPT + 500_000, [0, 1, 2], [10.0, 20.0, 30.0], spacing=1_000_000)
    assert fresh.query("SELECT count(), uniqExact(attempt) FROM points") == [(6, 2)]
    breaches = fresh.query("SELECT number, breach FROM attempts ORDER BY number")
    assert breaches == [(1, ""), (2, "began before the last point of attempt 1: concurrent or clock behind")]


def test_the_first_nan_is_named_with_its_step(fresh: Store) -> None:
    run_id = _run(5)
    values = [1.0] * 2_000
    values[1_240] = math.nan
    values[1_500] = math.inf
    _insert(fresh, run_id, events.ATTEMPT, list(range(2_000)), values)
    assert fresh.query(
        "SELECT first_nonfinite_step, isNaN(first_nonfinite_value), nonfinite, last FROM metric_summary"
    ) == [(1_240, 1, 3, 1.0)]


def test_a_series_without_a_finite_value_has_no_last_min_or_max(fresh: Store) -> None:
    _insert(fresh, _run(6), events.ATTEMPT, [0, 1], [math.nan, -math.inf])
    assert fresh.query(
        "SELECT last, last_step, min, min_step, max, max_step, first_step, nonfinite FROM metric_summary"
    ) == [(None, None, None, None, None, None, 0, 5)]


def _run(number: int) -> Any:
    return UUID(int=0xABC0_0000_0000_0000_0000 + number)


def _batch(
    run_id: Any, attempt: int, steps: list[int], values: list[float], *, auto_steps: bool = False, spacing: int = 10
) -> Any:
    times = [attempt + (i + 1) * spacing for i in range(len(steps))]
    return events.metric(run_id, [events.frame(steps, times, {"loss": values}, auto_steps=auto_steps)], attempt=attempt)


def _insert(store: Store, run_id: Any, attempt: int, steps: list[int], values: list[float], **options: Any) -> None:
    store.insert("metric", _batch(run_id, attempt, steps, values, **options))
