"""Lines to compare: names, smoothing, time instead of steps, and the first value that cannot be drawn."""

import math
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest
from store_process import Store

import support_events as events

EVERYWHERE = "step_min = -9223372036854775808, step_max = 9223372036854775807"
SECOND = 1_000_000


def log(
    store: Store, run: UUID, values: Sequence[float], *, every_s: float = 1.0, start: int = events.ATTEMPT, **own: Any
) -> None:
    """A run that logs `loss`, at first after one interval."""
    store.insert("run", events.run(run, attempt=start, **own))
    times = [start + int((number + 1) * every_s * SECOND) for number in range(len(values))]
    if values:
        frame = events.frame(range(len(values)), times, {"loss": values})
        store.insert("metric", events.metric(run, [frame], attempt=start))


def lines(
    store: Store,
    *runs: UUID,
    columns: str = "run_id, x, value",
    points: int = 1000,
    half_life: float = 0,
    by_time: bool = False,
    metric: str = "loss",
) -> list[tuple[Any, ...]]:
    listed = ", ".join(f"'{run}'" for run in runs)
    return store.query(
        f"SELECT {columns} FROM chart_lines(metric = '{metric}', runs = [{listed}], points = {points}, {EVERYWHERE}, "
        f"half_life = {half_life}, by_time = {str(by_time).lower()})"
    )


def test_the_moving_average_is_that_of_its_definition(store: Store) -> None:
    run = UUID(int=1001)
    values = [math.sin(number) + 3 for number in range(50)]
    log(store, run, values)
    found = lines(store, run, columns="x, smooth", half_life=5)
    for x, smooth in found:
        weights = [0.5 ** ((x - step) / 5) for step in range(int(x) + 1)]
        assert smooth == pytest.approx(sum(map(math.prod, zip(weights, values, strict=False))) / sum(weights))
    assert [smooth for _, smooth in lines(store, run, columns="x, smooth")] == values, (
        "without a half-life nothing is smoothed"
    )


def test_a_value_that_cannot_be_drawn_is_marked_once_at_its_step_and_does_not_spoil_the_average(store: Store) -> None:
    run = UUID(int=1002)
    log(store, run, [1.0, 2.0, math.nan, 4.0, math.inf, 6.0])
    found = lines(store, run, columns="x, value, first_bad, smooth", half_life=2)
    assert [(x, bad) for x, _, bad, _ in found if bad is not None] == [(2, 2.0)]
    assert [value for _, value, _, _ in found] == [1.0, 2.0, None, 4.0, None, 6.0]
    assert all(smooth is not None and math.isfinite(smooth) for *_, smooth in found)


def test_a_bad_value_is_marked_before_anything_finite_is_known(store: Store) -> None:
    early, never = UUID(int=1011), UUID(int=1012)
    log(store, early, [math.nan, math.nan, 7.0, math.inf])
    log(store, never, [math.nan, math.nan])
    for by_time in (False, True):
        marks = lines(store, early, never, columns="run_id, first_bad", by_time=by_time)
        assert [(run, mark) for run, mark in marks if mark is not None] == [(early, 7.0), (never, 0.0)]


@pytest.mark.parametrize("by_time", [False, True])
def test_a_spike_of_one_step_is_an_extremum_of_its_line_at_every_width(store: Store, by_time: bool) -> None:
    run = UUID(int=1013 + by_time)
    values = [math.sin(step) for step in range(5000)]
    values[1234], values[4000] = 100.0, -100.0
    log(store, run, values)
    for points in (1, 7, 100, 1000, 5000, 2**32 - 1):
        found = lines(store, run, columns="x, value, min, max", points=points, by_time=by_time)
        assert min(points, len(values)) / 2 <= len(found) <= points + 2
        assert (min(low for *_, low, _ in found), max(high for *_, high in found)) == (-100.0, 100.0)
        assert all(low <= value <= high for _, value, low, high in found)


def test_a_run_without_the_metric_and_one_of_only_nan_keep_their_places(store: Store) -> None:
    runs = [UUID(int=1003), UUID(int=1004), UUID(int=1005)]
    log(store, runs[0], [1.0])
    log(store, runs[1], [math.nan, math.nan])
    log(store, runs[2], [])
    for by_time in (False, True):
        found = lines(store, *runs, columns="run_id, value, first_bad", by_time=by_time)
        assert {run for run, _, _ in found} == set(runs)
        assert [(run, value) for run, value, _ in found if value is not None] == [(runs[0], 1.0)]
    assert {run for run, *_ in lines(store, *runs, metric="no such metric")} == set(runs)


def test_over_time_the_lines_of_runs_that_began_at_other_moments_meet(store: Store) -> None:
    one, other = UUID(int=1006), UUID(int=1007)
    log(store, one, [float(n) for n in range(100)], every_s=2)
    log(store, other, [float(n) for n in range(50)], every_s=4, start=events.ATTEMPT + 10**10)
    found = lines(store, one, other, points=50, by_time=True)
    by_run = {run: {x: value for found_run, x, value in found if found_run == run} for run in (one, other)}
    assert len(set(by_run[one]) & set(by_run[other])) >= 20
    width = 4.0
    for run, every_s in ((one, 2), (other, 4)):
        assert len(by_run[run]) <= 51
        for x, value in by_run[run].items():
            assert x % width == 0 and x <= (value + 1) * every_s < x + width


def test_over_time_no_x_comes_twice_when_the_first_value_is_not_finite(store: Store) -> None:
    run = UUID(int=1009)
    log(store, run, [math.nan, 1.0, 2.0, 3.0], every_s=0.001)
    log(store, UUID(int=1010), [1.0, 2.0], every_s=1000)
    found = lines(store, run, UUID(int=1010), points=10, by_time=True)
    places = [x for found_run, x, _ in found if found_run == run]
    assert len(set(places)) == len(places)


def test_no_chosen_run_means_all_and_unknown_ones_none(new_store: Callable[[], Store]) -> None:
    store = new_store()
    log(store, UUID(int=1), [1.0, 2.0])
    log(store, UUID(int=2), [3.0])
    assert {run for run, *_ in lines(store)} == {UUID(int=1), UUID(int=2)}
    assert lines(store, UUID(int=3)) == []


def test_deleted_runs_are_not_drawn(new_store: Callable[[], Store]) -> None:
    store = new_store()
    log(store, UUID(int=1), [1.0])
    store.insert("tag", events.deletion(UUID(int=1), events.ATTEMPT + SECOND))
    assert lines(store) == []


def test_last_time_is_that_of_the_last_finite_point_of_a_bucket(store: Store) -> None:
    run = UUID(int=1008)
    log(store, run, [1.0, 2.0, math.nan])
    chart = f"chart(metric = 'loss', runs = ['{run}'], points = 1, {EVERYWHERE})"
    (found,) = store.query(
        f"SELECT last, toUnixTimestamp64Micro(last_time) FROM {chart} WHERE isNotNull(last) ORDER BY step DESC LIMIT 1"
    )
    assert found == (2.0, events.ATTEMPT + 2 * SECOND)
