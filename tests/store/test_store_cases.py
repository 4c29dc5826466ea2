"""What the store keeps, hides and says, case by case."""

import math
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest
from store_process import Store

import support_events as events

START = events.ATTEMPT

CHART = (
    "SELECT step, max FROM chart(metric={m:String}, runs=[{r:UUID}], points={n:UInt32}, step_min={a:Int64}, "
    "step_max={b:Int64})"
)


def series(
    run_id: UUID, metric: str, steps: Sequence[int], values: Sequence[float], attempt: int = START, **options: Any
) -> dict[str, Any]:
    """A batch with one metric, one point a microsecond from the attempt on."""
    times = [attempt + 1 + i for i in range(len(steps))]
    return events.metric(run_id, [events.frame(steps, times, {metric: values}, **options)], attempt=attempt)


def test_the_best_value_of_a_superseded_part_is_gone_and_the_next_best_is_found(store: Store) -> None:
    run_id, later = UUID(int=1), START + 10_000_000
    summary = "SELECT min, min_step, max, max_step, last, last_step FROM metric_summary WHERE run_id = {r:UUID}"
    values = [float(100 - step) for step in range(200)]
    values[150], values[37] = -1000.0, -500.0
    store.insert("metric", series(run_id, "acc", range(200), values))
    assert store.query(summary, r=run_id) == [(-1000.0, 150, 100.0, 0, -99.0, 199)]
    store.insert("metric", series(run_id, "acc", range(101, 110), [5.0] * 9, later))
    assert store.query(summary, r=run_id) == [(-500.0, 37, 100.0, 0, 5.0, 109)]
    for points in (1, 10, 1000):
        rows = store.query(CHART.replace("step, max", "step, min"), m="acc", r=run_id, n=points, a=0, b=1000)
        assert min(value for _, value in rows) == -500.0
    # Also when the best lies in the bucket that is cut.
    store.insert("metric", series(run_id, "acc", [38], [7.0], later + 10_000_000))
    assert store.query(summary, r=run_id) == [(-500.0, 37, 100.0, 0, 7.0, 38)]
    store.insert("metric", series(run_id, "acc", [37], [8.0], later + 20_000_000))
    assert store.query(summary, r=run_id) == [(8.0, 37, 100.0, 0, 8.0, 37)]


def test_steps_that_the_producer_counted_supersede_nothing(store: Store) -> None:
    run_id = UUID(int=9)
    store.insert("metric", series(run_id, "a", [0, 1, 2], [1.0, 2.0, 3.0]))
    store.insert("metric", series(run_id, "a", [0, 1], [10.0, 20.0], START + 10_000_000, auto_steps=True))
    assert store.one("SELECT count() FROM points WHERE run_id = {r:UUID}", r=run_id) == 5


LAST_STEP = "SELECT last_step FROM runs WHERE run_id = {r:UUID}"


def test_system_metrics_do_not_tell_how_far_a_run_has_come(store: Store) -> None:
    run_id, now = UUID(int=41), START // 1_000_000
    store.insert("metric", series(run_id, "system/cpu_percent", [now, now + 10], [1.0, 2.0]))
    assert store.query(LAST_STEP, r=run_id) == [(None,)]
    store.insert("metric", series(run_id, "loss", range(20), [1.0] * 20))
    assert store.one(LAST_STEP, r=run_id) == 19
    assert store.one("SELECT last_step FROM attempts WHERE run_id = {r:UUID}", r=run_id) == 19


def test_a_run_has_come_as_far_as_what_is_visible_of_it(store: Store) -> None:
    run_id, later = UUID(int=42), START + 10_000_000
    store.insert("metric", series(run_id, "loss", range(100), [1.0] * 100))
    store.insert("metric", series(run_id, "loss", [0, 1], [1.0] * 2, later, auto_steps=True))
    assert store.one(LAST_STEP, r=run_id) == 99
    store.insert("metric", series(run_id, "loss", range(50, 80), [1.0] * 30, later + 10_000_000))
    assert store.one(LAST_STEP, r=run_id) == 79
    assert store.one("SELECT max(step) FROM points WHERE run_id = {r:UUID}", r=run_id) == 79


def test_the_first_nan_is_named_with_its_step(store: Store) -> None:
    run_id, values = UUID(int=10), [1.0] * 2_000
    values[1_240], values[1_500] = math.nan, math.inf
    store.insert("metric", series(run_id, "a", range(2_000), values))
    assert store.query(
        "SELECT first_nonfinite_step, isNaN(first_nonfinite_value), nonfinite, last FROM metric_summary "
        "WHERE run_id = {r:UUID}",
        r=run_id,
    ) == [(1_240, 1, 3, 1.0)]


def test_a_series_without_a_finite_value_has_no_last_min_or_max(store: Store) -> None:
    run_id = UUID(int=11)
    store.insert("metric", series(run_id, "a", [0, 1], [math.nan, -math.inf]))
    assert store.query(
        "SELECT last, last_step, min, min_step, max, max_step, first_step, nonfinite FROM metric_summary "
        "WHERE run_id = {r:UUID}",
        r=run_id,
    ) == [(None, None, None, None, None, None, 0, 5)]


def test_a_spike_of_one_step_among_a_million_is_visible_at_every_zoom(store: Store) -> None:
    run_id, spike = UUID(int=2), 654_321
    for seq in range(10):
        steps = range(seq * 100_000, (seq + 1) * 100_000)
        values = [100.0 if step == spike else 1.0 for step in steps]
        frame = events.frame(steps, [START + 1 + step for step in steps], {"spike": values})
        store.insert("metric", events.metric(run_id, [frame], attempt=START, seq=seq))
    zooms = [(0, 10**6), (600_000, 700_000), (spike - 100, spike + 100), (spike, spike)]
    for points in (1, 10, 500, 5000):
        for low, high in zooms:
            rows = store.query(CHART, m="spike", r=run_id, n=points, a=low, b=high)
            assert max(value for _, value in rows) == 100.0
            assert len(rows) <= 4 * points + 2


def test_a_bad_batch_is_refused_and_nothing_of_its_insert_is_written_anywhere(store: Store) -> None:
    run_id = UUID(int=12)
    backwards = events.frame([2, 1], [START + 1, START + 2], {"a": [1.0, 2.0]})
    with pytest.raises(ValueError, match="469"):
        store.insert("metric", series(run_id, "a", [1], [1.0]), events.metric(run_id, [backwards], seq=1))
    for table in ("point", "rollup_16", "rollup_coarse", "series", "batch", "life"):
        assert store.one(f"SELECT count() FROM {table} WHERE run_id = {{r:UUID}}", r=run_id) == 0


def test_a_deleted_run_stays_deleted_whatever_is_replayed_and_comes_back_with_a_later_attempt(
    new_store: Callable[[], Store],
) -> None:
    store = new_store()
    run_id, kept = UUID(int=3), UUID(int=4)
    deletion = events.deletion(run_id, START + 10)
    store.insert("tag", deletion)
    for _ in range(2):
        store.insert("metric", series(run_id, "a", [1], [1.0]), series(kept, "a", [1], [1.0]))
        store.insert("run", events.run(run_id, attempt=START), events.run(kept, attempt=START))
        store.insert("param", events.param(run_id, "lr", '"x"', attempt=START))
        store.insert("tag", deletion)
    for view in ("runs", "points", "metric_summary"):
        assert store.query(f"SELECT DISTINCT run_id FROM {view}") == [(kept,)]
    assert store.query("SELECT * FROM params") == []
    store.insert("metric", series(run_id, "a", [1], [1.0], attempt=START + 11))
    store.insert("run", events.run(run_id, attempt=START + 11))
    assert {row[0] for row in store.query("SELECT run_id FROM runs")} == {run_id, kept}
    assert store.query("SELECT attempt FROM points WHERE run_id = {r:UUID}", r=run_id) == [(START + 11,)]


def test_states_of_runs(new_store: Callable[[], Store]) -> None:
    store = new_store()
    names = ["finished", "failed", "killed", "lost", "running", "unknown", "mixed"]
    ids = {name: UUID(int=100 + i) for i, name in enumerate(names)}
    now = START + 3_600_000_000
    for name in ("finished", "failed", "killed"):
        store.insert("run", events.run(ids[name], attempt=START))
        store.insert("status", events.status(ids[name], attempt=START, state=name, final=True, error="x"))
    for name, moment in (("lost", START + 10_000_000), ("running", now - 5_000_000)):
        store.insert("run", events.run(ids[name], attempt=START))
        store.insert("status", events.status(ids[name], attempt=START, time=moment))
    store.insert("metric", series(ids["unknown"], "a", [1], [1.0]))
    for rank, end in ((0, "finished"), (1, "failed")):
        store.insert("run", events.run(ids["mixed"], rank=rank, attempt=START))
        store.insert("status", events.status(ids["mixed"], rank=rank, attempt=START, state=end, final=True))
    # The newest event of the store is the clock: a store that lags behind does not lose its runs.
    store.insert("status", events.status(UUID(int=999), attempt=now, time=now))
    found = dict(store.query("SELECT run_id, state FROM runs"))
    assert {name: found[run_id] for name, run_id in ids.items()} == {name: name for name in names} | {"mixed": "failed"}


def test_the_ledger_is_complete_only_when_every_logged_point_is_stored(store: Store) -> None:
    run_id = UUID(int=6)
    ledger = "SELECT verdict, logged, queued, stored, pending, missing_seqs FROM ledger WHERE run_id = {r:UUID}"
    frames = [events.frame([seq, seq + 9], [START + seq, START + seq + 9], {"a": [1.0, 2.0]}) for seq in range(3)]
    batches = [events.metric(run_id, [frame], attempt=START, seq=seq) for seq, frame in enumerate(frames)]
    end = {"state": "finished", "final": True, "logged": 7, "queued": 6, "dropped": {"value": 1}, "last_seq": 2}
    store.insert("run", events.run(run_id, attempt=START))
    store.insert("metric", batches[0], batches[2])
    assert store.query(ledger, r=run_id)[0][0] == "unknown"
    store.insert("status", events.status(run_id, attempt=START, **end))
    assert store.query(ledger, r=run_id) == [("missing", 7, 6, 4, 2, [1])]
    store.insert("metric", batches[1], batches[1])
    assert store.query(ledger, r=run_id) == [("complete", 7, 6, 6, 0, [])]


def test_the_latest_param_and_tag_by_time_then_rank_hold(store: Store) -> None:
    run_id = UUID(int=7)
    for value, time, rank in (('"late"', START + 9, 0), ('"early"', START + 1, 1), ('"tie"', START + 9, 1)):
        store.insert("param", events.param(run_id, "k", value, rank=rank, attempt=START, time=time))
        store.insert("tag", events.tag(run_id, "t", value, rank=rank, attempt=START, time=time))
    assert store.one("SELECT value FROM params WHERE run_id = {r:UUID}", r=run_id) == '"tie"'
    assert store.one("SELECT value FROM tags WHERE run_id = {r:UUID}", r=run_id) == '"tie"'


def test_an_alias_points_to_the_latest_version_that_carries_it(store: Store) -> None:
    run_id = UUID(int=8)
    for n, aliases in enumerate([["best", "latest"], ["best", "latest"], ["latest"]]):
        record = events.artifact(run_id, "ckpt", type="model", time=START + n, aliases=aliases, step=n)
        store.insert("artifact", record)
    rows = store.query(
        "SELECT version, step, arraySort(aliases) FROM artifacts WHERE run_id = {r:UUID} ORDER BY version", r=run_id
    )
    assert rows == [(1, 0, []), (2, 1, ["best"]), (3, 2, ["latest"])]
    assert store.one("SELECT count() FROM models WHERE run_id = {r:UUID}", r=run_id) == 3
