"""The views against a plain model, over random histories, in any order of arrival and however often they arrive."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from store_histories import METRICS, histories
from store_model import Model, Series
from store_process import Store

VIEWS = ("points", "metric_summary", "metric_summary_by_rank", "runs", "attempts", "ledger")
WIDTHS = [2**shift for shift in range(32)]
EVERYWHERE = (-(2**63), 2**63 - 1)


def load(store: Store, model: Model, rng: random.Random, *, times: int = 1) -> None:
    """Insert everything `times` times, shuffled, in inserts of random size."""
    for name, records in model.events.items():
        queue = records * times
        rng.shuffle(queue)
        while queue:
            size = rng.randint(1, 40)
            store.insert(name, *queue[:size])
            del queue[:size]


def everything(store: Store) -> dict[str, list[str]]:
    return {view: sorted(map(repr, store.query(f"SELECT * FROM {view}"))) for view in VIEWS}


def summaries(store: Store, view: str) -> dict[tuple[str, str, int], tuple[Any, ...]]:
    found = store.query(
        "SELECT toString(run_id), metric, rank, last, last_step, toUnixTimestamp64Micro(last_time), min, min_step, "
        f"max, max_step, first_step, first_nonfinite_step, toString(first_nonfinite_value), nonfinite FROM {view}",
    )
    return {row[:3]: row[3:] for row in found}


def chart(
    store: Store, metric: str, points: int, steps: tuple[int, int], *, every_rank: bool
) -> dict[tuple[str, int, int], tuple[Any, ...]]:
    asked = "metric = {metric:String}, runs = [], step_min = {low:Int64}, step_max = {high:Int64}"
    view = f"chart({asked}, points = {{points:UInt32}})"
    if every_rank:
        plan = f"SELECT plan FROM chart_plan({asked}, points = {{points:UInt32}}, all_ranks = true)"
        view = f"chart_bucket({asked}, every_run = true, all_ranks = true, plan = ({plan}))"
    found = store.query(
        f"SELECT toString(run_id), rank, step, last, min, max, nonfinite, first_nonfinite_step FROM {view}",
        metric=metric,
        points=points,
        low=steps[0],
        high=steps[1],
    )
    assert len({row[:3] for row in found}) == len(found), "a bucket appears twice"
    return {row[:3]: row[3:] for row in found}


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(histories(range(14)))


@pytest.fixture(scope="module")
def loaded(new_store: Callable[[], Store], model: Model) -> Store:
    store = new_store()
    load(store, model, random.Random(1))
    return store


def test_the_histories_hold_what_is_hard(loaded: Store, model: Model) -> None:
    assert len(model.visible) < sum(map(len, model.stored.values()))
    assert loaded.one("SELECT countIf(incomplete) FROM amended_series") > 5
    assert loaded.one("SELECT countIf(deleted) FROM attempts") > 0
    assert loaded.one("SELECT countIf(breach != '') FROM attempts") > 0
    assert loaded.one("SELECT countIf(last IS NULL) FROM metric_summary_by_rank") > 0
    assert min(point.step for point in model.visible) < -(10**5) < 10**6 < max(point.step for point in model.visible)


def test_points_and_summaries_agree_with_the_model(loaded: Store, model: Model) -> None:
    found = loaded.query(
        "SELECT metric, toString(run_id), rank, attempt, step, toUnixTimestamp64Micro(time), value FROM points"
    )
    assert sorted(map(repr, found)) == sorted(repr(tuple(point)) for point in model.visible)
    expected = model.by_rank()
    assert summaries(loaded, "metric_summary_by_rank") == expected
    lowest = {k: v for k, v in expected.items() if model.lowest_rank[k[0], k[1]] == k[2]}
    assert summaries(loaded, "metric_summary") == lowest


def test_names_are_those_of_the_runs(loaded: Store) -> None:
    runs, names = (
        loaded.query(f"SELECT run_id, experiment, name, user, started FROM {view} ORDER BY run_id")
        for view in ("runs", "names")
    )
    assert names == runs
    assert len(names) > 10


@pytest.mark.parametrize("steps", [EVERYWHERE, (-37, 411)], ids=["whole", "zoomed"])
@pytest.mark.parametrize("every_rank", [False, True], ids=["lowest rank", "every rank"])
def test_a_chart_agrees_with_the_model_at_every_width(
    loaded: Store, model: Model, every_rank: bool, steps: tuple[int, int]
) -> None:
    low, high = steps
    used = set()
    for metric in METRICS:
        for points in [10**exponent for exponent in range(0, 9, 1 if metric == METRICS[0] else 4)]:
            found = chart(loaded, metric, points, steps, every_rank=every_rank)
            fitting = [
                width
                for width in WIDTHS
                if found
                == {
                    key: members
                    for key, members in model.chart(metric, width, every_rank=every_rank).items()
                    if low // width <= key[2] // width <= high // width
                }
            ]
            assert found and fitting, (metric, points)
            used.add(fitting[0])
    # Points themselves; of the whole also every stored rollup, and one that is put together from the widest.
    assert 1 in used
    if steps == EVERYWHERE:
        assert used >= {2**4, 2**8, 2**12, 2**16} and max(used) > 2**16


def test_the_ledger_of_everything_that_arrived_is_complete(loaded: Store, model: Model) -> None:
    sent = {
        (e["run_id"], e["rank"], e["attempt"]): e["queued"]
        for e in model.events["status"]
        if not model.deleted(Series("", e["run_id"], e["rank"], e["attempt"]))
    }
    found = loaded.query("SELECT toString(run_id), rank, attempt, stored, verdict FROM ledger")
    assert {row[:3]: row[3:] for row in found} == {key: (queued, "complete") for key, queued in sent.items()}


def test_a_replay_of_everything_three_times_shuffled_changes_no_view(
    new_store: Callable[[], Store], loaded: Store, model: Model
) -> None:
    expected = everything(loaded)
    again = new_store()
    load(again, model, random.Random(2), times=3)
    assert everything(again) == expected
    for points in (1, 100, 10**8):
        charts = [chart(s, METRICS[0], points, EVERYWHERE, every_rank=True) for s in (again, loaded)]
        assert charts[0] == charts[1]
    for table in ("point", "rollup_16", "rollup_coarse", "series", "batch", "life"):
        again.command(f"OPTIMIZE TABLE {table} FINAL")
    assert everything(again) == expected


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
