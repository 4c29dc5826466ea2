"""What is kept of runs is what their events say, is renewed when something arrived, and hides a deleted run at once."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from curves import START, curve, falling, put
from store_histories import histories
from store_process import Store

import support_events as events

RUN = "WHERE run_id = {r:UUID}"
DUE = "SELECT run_id FROM due_run(settle_us = 0)"
HOUR = 3_600_000_000
"""µs."""


@pytest.fixture(scope="module")
def loaded(new_store: Callable[[], Store]) -> Store:
    store = new_store()
    for event, records in histories(range(8)).items():
        store.insert(event, *records)
    return store


def findings(store: Store) -> list[list[str]]:
    tables = ("run_finding", "summary_finding")
    return [sorted(map(repr, store.query_at_once(f"SELECT * EXCEPT read_at FROM {table} FINAL"))) for table in tables]


def resume(store: Store, run_id: UUID, values: list[float], *, steps: range) -> None:
    store.insert("run", events.run(run_id, attempt=START + HOUR))
    store.insert("metric", curve(run_id, {"train/loss": values}, steps=steps, attempt=START + HOUR))


def test_a_diagnosis_is_what_a_look_at_everything_says(loaded: Store) -> None:
    kept, now = (sorted(map(repr, loaded.query(f"SELECT * FROM {view}"))) for view in ("diagnosis", "diagnosis_now"))
    assert kept == now
    assert len(kept) > 10


def test_emptied_findings_come_back_the_same(loaded: Store) -> None:
    loaded.renew()
    before = findings(loaded)
    assert all(before)
    for table in ("run_finding", "summary_finding"):
        loaded.command(f"TRUNCATE TABLE {table}")
    assert loaded.renew() == len(before[0])
    assert findings(loaded) == before


def test_a_run_is_due_after_each_of_its_events_until_it_was_looked_at(new_store: Callable[[], Store]) -> None:
    store, run_id = new_store(), uuid4()
    late = curve(run_id, {"train/loss": [1.0]}, seq=0)
    for event, record in (
        ("run", events.run(run_id)),
        ("metric", curve(run_id, {"train/loss": [0.5]}, steps=[9], seq=1)),
        ("metric", late),
        ("metric", late),
        ("status", events.status(run_id, state="finished", final=True)),
        ("tag", events.deletion(run_id, START)),
    ):
        store.insert(event, record)
        assert store.query_at_once(DUE) == [(run_id,)], record
        assert store.renew() == 1
        assert store.query_at_once(DUE) == []


def test_an_insert_that_was_still_under_way_is_looked_at_once_more(new_store: Callable[[], Store]) -> None:
    store, run_id = new_store(), uuid4()
    put(store, run_id, curve(run_id, {"train/loss": falling(20)}))
    store.renew()
    assert store.query_at_once("SELECT run_id FROM due_run(settle_us = 120000000)") == [(run_id,)]


def test_a_running_run_is_due_when_anything_arrives_since_it_may_be_lost(new_store: Callable[[], Store]) -> None:
    store, silent, ended, other = new_store(), uuid4(), uuid4(), uuid4()
    put(store, silent, curve(silent, {"train/loss": falling(20)}), state="running")
    put(store, ended, curve(ended, {"train/loss": falling(20)}))
    store.renew()
    assert store.query_at_once(f"SELECT state FROM diagnosis {RUN}", r=silent) == [("running",)]
    later = START + 100 * 1_000_000
    store.insert("status", events.status(other, time=later, state="finished", final=True))
    assert {run_id for (run_id,) in store.query_at_once(DUE)} == {silent, other}
    store.renew()
    assert store.query_at_once(f"SELECT state, verdict FROM diagnosis {RUN}", r=silent) == [("lost", "lost")]
    store.insert("status", events.status(other, time=later + 1, state="finished", final=True))
    assert store.query_at_once(DUE) == [(other,)]


def test_a_resumed_run_has_one_summary_before_and_after_it_was_looked_at(new_store: Callable[[], Store]) -> None:
    store, run_id = new_store(), uuid4()
    put(store, run_id, curve(run_id, {"train/loss": [3.0, 2.0, 0.5, 1.0]}))
    store.renew()
    resume(store, run_id, [2.5, 2.25], steps=range(2, 4))
    summary = f"SELECT metric, min, last, last_step FROM metric_summary {RUN}"
    # Superseded values count until then, and the last one is right.
    assert store.query_at_once(summary, r=run_id) == [("train/loss", 0.5, 2.25, 3)]
    store.renew()
    assert store.query_at_once(summary, r=run_id) == [("train/loss", 2.0, 2.25, 3)]
    store.insert("metric", curve(run_id, {"train/loss": [1.5]}, steps=[4], attempt=START + HOUR, seq=1))
    store.renew()
    assert store.query_at_once(summary, r=run_id) == [("train/loss", 1.5, 1.5, 4)]


def test_a_deleted_run_is_hidden_at_once_and_stays_hidden(new_store: Callable[[], Store]) -> None:
    store, gone, resumed, back = new_store(), uuid4(), uuid4(), uuid4()
    for run_id in (gone, resumed, back):
        put(store, run_id, curve(run_id, {"train/loss": falling(20)}))
    resume(store, resumed, [1.0], steps=range(10, 11))
    store.renew()

    def seen() -> list[set[UUID]]:
        views = ("diagnosis", "metric_summary", "metric_summary_by_rank")
        return [{run_id for (run_id,) in store.query_at_once(f"SELECT run_id FROM {view}")} for view in views]

    assert seen() == [{gone, resumed, back}] * 3
    for run_id in (gone, resumed, back):
        store.insert("tag", events.deletion(run_id, START + 2 * HOUR))
    assert seen() == [set()] * 3
    # Freed before anybody looked: what is kept must not come back.
    for table in ("series", "point", "rollup_16", "rollup_coarse"):
        store.command(f"DELETE FROM {table} WHERE run_id IN ('{gone}', '{resumed}')")
    store.renew()
    assert seen() == [set()] * 3
    store.insert("metric", curve(back, {"train/loss": [0.25]}, attempt=START + 3 * HOUR))
    store.renew()
    assert seen() == [{back}] * 3
    assert store.query_at_once(f"SELECT min FROM metric_summary {RUN}", r=back) == [(0.25,)]


def test_a_clock_that_is_put_back_delays_no_finding(new_store: Callable[[], Store]) -> None:
    store, run_id = new_store(), uuid4()
    put(store, run_id, curve(run_id, {"train/loss": falling(20)}))
    store.renew()
    # As if it had been looked at by a clock that was a day ahead.
    store.command("INSERT INTO run_finding SELECT * REPLACE (read_at + 86400000000 AS read_at) FROM run_finding FINAL")
    store.insert("metric", curve(run_id, {"train/loss": [float("nan")]}, steps=[20], seq=1))
    store.renew()
    assert store.query_at_once(f"SELECT verdict FROM diagnosis {RUN}", r=run_id) == [("diverged",)]
