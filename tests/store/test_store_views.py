"""The views against a plain model, over random histories and over the cases that are easy to get wrong."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest
import support_events as events
from store_histories import METRICS, history
from store_model import Model

EVERYWHERE = {"step_min": -(2**63), "step_max": 2**63 - 1}


def load(store: Any, model: Model, rng: random.Random, *, times: int = 1) -> None:
    """Insert everything `times` times, shuffled, in inserts of random size."""
    for name, records in (("metric", model.metrics), ("tag", model.deletions)):
        queue = records * times
        rng.shuffle(queue)
        while queue:
            size = rng.randint(1, 6)
            events.insert(store, name, queue[:size])
            del queue[:size]


def rows(store: Any, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in store.query(sql, parameters=parameters).result_rows]


def points(store: Any) -> list[tuple[Any, ...]]:
    found = rows(
        store,
        "SELECT metric, toString(run_id), rank, attempt, step, toUnixTimestamp64Micro(time), toString(value) FROM points",
    )
    return sorted((*row[:6], repr(float(row[6]))) for row in found)


def summaries(store: Any, view: str) -> dict[tuple[str, str, int], tuple[Any, ...]]:
    found = rows(
        store,
        "SELECT toString(run_id), metric, rank, last, last_step, toUnixTimestamp64Micro(last_time), min, min_step, max, "
        f"max_step, first_step, first_nonfinite_step, toString(first_nonfinite_value), nonfinite FROM {view}",
    )
    return {row[:3]: row[3:] for row in found}


def chart(store: Any, metric: str, shift: int, *, every_rank: bool) -> dict[tuple[str, int, int], tuple[Any, ...]]:
    """The buckets of a given width, by the same steps as chart_bucket takes."""
    found = rows(
        store,
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


def same(left: Any, right: Any) -> bool:
    """Equality in which -0.0 equals 0.0 and the text nan equals itself."""
    return bool(left == right)


@pytest.mark.parametrize("seed", range(12))
def test_every_view_agrees_with_the_model(store: Any, seed: int) -> None:
    model = Model(*history(seed))
    load(store, model, random.Random(seed))
    assert points(store) == sorted((*p[:6], repr(p.value)) for p in model.visible())
    expected = model.by_rank()
    assert summaries(store, "metric_summary_by_rank") == expected
    lowest = model.lowest_rank()
    assert summaries(store, "metric_summary") == {k: v for k, v in expected.items() if lowest[k[0], k[1]] == k[2]}
    for shift in (0, 3, 4, 8, 12, 16, 18):
        for every_rank in (False, True):
            metric = METRICS[shift % len(METRICS)]
            assert chart(store, metric, shift, every_rank=every_rank) == model.chart(
                metric, 2**shift, every_rank=every_rank
            ), (shift, every_rank)


@pytest.mark.parametrize("seed", range(100, 103))
def test_a_replay_of_everything_three_times_shuffled_changes_no_view(new_store: Callable[[], Any], seed: int) -> None:
    model = Model(*history(seed))
    once, thrice = new_store(), new_store()
    load(once, model, random.Random(1))
    load(thrice, model, random.Random(2), times=3)
    for read in (
        points,
        lambda s: summaries(s, "metric_summary_by_rank"),
        lambda s: summaries(s, "metric_summary"),
        lambda s: chart(s, METRICS[0], 8, every_rank=True),
        lambda s: rows(s, "SELECT * FROM ledger ORDER BY run_id, rank, attempt"),
        lambda s: rows(s, "SELECT * FROM attempts ORDER BY run_id, rank, attempt"),
        lambda s: rows(s, "SELECT * FROM runs ORDER BY run_id"),
    ):
        assert read(once) == read(thrice)


def test_rollups_equal_a_group_by_over_the_points(store: Any) -> None:
    metrics, _ = history(7)
    load(store, Model(metrics, []), random.Random(7))
    packed = "min(lo), max(hi), max(last), min(first_nonfinite), groupBitOr(nonfinite)"
    keys = "metric, toString(run_id), rank, attempt"
    for shift, table in ((4, "rollup_16"), (8, "rollup_coarse"), (12, "rollup_coarse"), (16, "rollup_coarse")):
        where = "" if shift == 4 else f"WHERE level = {2**shift}"
        stored = rows(store, f"SELECT {keys}, bucket, {packed} FROM {table} {where} GROUP BY ALL ORDER BY ALL")
        from_points = rows(
            store,
            f"SELECT {keys}, bitShiftRight(step, {shift}) AS bucket, {packed} FROM packed_point GROUP BY ALL ORDER BY ALL",
        )
        assert stored == from_points
        assert stored


def test_the_best_value_of_a_superseded_part_is_gone_and_the_next_best_is_found(store: Any) -> None:
    run_id = _run(1)
    first = events.ATTEMPT
    later = first + 10_000_000
    values = [float(100 - step) for step in range(200)]
    values[150] = -1000.0
    values[37] = -500.0
    _insert(store, run_id, first, list(range(200)), values)
    _insert(store, run_id, later, list(range(101, 110)), [5.0] * 9)
    assert rows(store, "SELECT min, min_step, max, max_step, last, last_step FROM metric_summary") == [
        (-500.0, 37, 100.0, 0, 5.0, 109)
    ]
    # Also when the best lies in the bucket that is cut.
    _insert(store, run_id, later + 10_000_000, [38], [7.0])
    assert rows(store, "SELECT min, min_step, last, last_step FROM metric_summary") == [(-500.0, 37, 7.0, 38)]
    _insert(store, run_id, later + 20_000_000, [37], [8.0])
    assert rows(store, "SELECT min, min_step, last, last_step FROM metric_summary") == [(8.0, 37, 8.0, 37)] or rows(
        store, "SELECT min, min_step FROM metric_summary"
    ) == [(8.0, 37)]


def test_steps_that_the_producer_counted_supersede_nothing(store: Any) -> None:
    run_id = _run(2)
    _insert(store, run_id, events.ATTEMPT, [0, 1, 2], [1.0, 2.0, 3.0])
    _insert(store, run_id, events.ATTEMPT + 10_000_000, [0, 1], [10.0, 20.0], auto_steps=True)
    assert rows(store, "SELECT count() FROM points") == [(5,)]


def test_two_processes_with_one_rank_both_stay_visible(store: Any) -> None:
    run_id = _run(3)
    _insert(store, run_id, events.ATTEMPT, [0, 1, 2], [1.0, 2.0, 3.0], spacing=1_000_000)
    _insert(store, run_id, events.ATTEMPT + 500_000, [0, 1, 2], [10.0, 20.0, 30.0], spacing=1_000_000)
    assert rows(store, "SELECT count(), uniqExact(attempt) FROM points") == [(6, 2)]
    breaches = rows(store, "SELECT number, breach FROM attempts ORDER BY number")
    assert breaches == [(1, ""), (2, "began before the last point of attempt 1: concurrent or clock behind")]


def test_a_deleted_run_stays_deleted_when_its_events_are_replayed_into_an_empty_store(new_store: Callable[[], Any]) -> None:
    run_id = _run(4)
    later = events.ATTEMPT + 10_000_000
    batch = _batch(run_id, events.ATTEMPT, [0, 1], [1.0, 2.0])
    deletion = events.deletion(run_id, events.ATTEMPT + 5_000_000)
    for order in ((batch, deletion), (deletion, batch)):
        store = new_store()
        for event in order:
            events.insert(store, "metric" if "frames" in event else "tag", [event])
        for view in ("points", "metric_summary", "runs", "tags", "ledger"):
            assert rows(store, f"SELECT count() FROM {view}") == [(0,)], view
        assert rows(store, "SELECT deleted FROM attempts") == [(True,)]
        # What begins later under the same id is visible, and what is deleted does not come back with it.
        events.insert(store, "metric", [_batch(run_id, later, [5], [3.0])])
        assert rows(store, "SELECT step, value FROM points") == [(5, 3.0)]
        assert rows(store, "SELECT min, first_step FROM metric_summary") == [(3.0, 5)]
        assert rows(store, "SELECT count(), any(attempts) FROM runs") == [(1, 1)]


def test_the_first_nan_is_named_with_its_step(store: Any) -> None:
    run_id = _run(5)
    values = [1.0] * 2_000
    values[1_240] = math.nan
    values[1_500] = math.inf
    _insert(store, run_id, events.ATTEMPT, list(range(2_000)), values)
    assert rows(store, "SELECT first_nonfinite_step, isNaN(first_nonfinite_value), nonfinite, last FROM metric_summary") == [
        (1_240, 1, 3, 1.0)
    ]


def test_a_series_without_a_finite_value_has_no_last_min_or_max(store: Any) -> None:
    _insert(store, _run(6), events.ATTEMPT, [0, 1], [math.nan, -math.inf])
    assert rows(store, "SELECT last, last_step, min, min_step, max, max_step, first_step, nonfinite FROM metric_summary") == [
        (None, None, None, None, None, None, 0, 5)
    ]


def _run(number: int) -> Any:
    from uuid import UUID

    return UUID(int=0xABC0_0000_0000_0000_0000 + number)


def _batch(
    run_id: Any, attempt: int, steps: list[int], values: list[float], *, auto_steps: bool = False, spacing: int = 10
) -> Any:
    times = [attempt + (i + 1) * spacing for i in range(len(steps))]
    return events.metric(run_id, [events.frame(steps, times, {"loss": values}, auto_steps=auto_steps)], attempt=attempt)


def _insert(store: Any, run_id: Any, attempt: int, steps: list[int], values: list[float], **options: Any) -> None:
    events.insert(store, "metric", [_batch(run_id, attempt, steps, values, **options)])
