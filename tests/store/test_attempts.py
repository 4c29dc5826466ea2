"""What the view `attempts` says about lives of a run that were not meant to be."""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid5

import pytest
from store_process import Store

import support_events as events

FIRST, SECOND = events.ATTEMPT, events.ATTEMPT + 100_000_000

Live = Callable[..., None]


@pytest.fixture
def run_id(request: pytest.FixtureRequest) -> UUID:
    return uuid5(UUID(int=0), request.node.name)


@pytest.fixture
def live(store: Store, run_id: UUID) -> Live:
    """Lives once: a run event, ten points in ten seconds, and the end."""

    def lived(attempt: int, resume: str = "allow", rank: int = 0) -> None:
        times = [attempt + 1_000_000 * (i + 1) for i in range(10)]
        store.insert("run", events.run(run_id, rank=rank, attempt=attempt, resume=resume))
        frame = events.frame(range(10), times, {"loss": [1.0] * 10})
        store.insert("metric", events.metric(run_id, [frame], rank=rank, attempt=attempt))
        store.insert("status", events.status(run_id, rank=rank, attempt=attempt, time=times[-1], state="finished"))

    return lived


def breaches(store: Store, run_id: UUID) -> list[tuple[Any, ...]]:
    return store.query(
        "SELECT rank, number, breach FROM attempts WHERE run_id = {r:UUID} AND NOT deleted ORDER BY ALL", r=run_id
    )


def test_never_with_an_earlier_attempt_is_a_breach(store: Store, run_id: UUID, live: Live) -> None:
    live(FIRST, "never")
    assert breaches(store, run_id) == [(0, 1, "")]
    live(SECOND, "never")
    assert breaches(store, run_id) == [(0, 1, ""), (0, 2, "never, but an earlier attempt exists")]


def test_must_without_an_earlier_attempt_is_a_breach(store: Store, run_id: UUID, live: Live) -> None:
    live(SECOND, "must")
    assert breaches(store, run_id) == [(0, 1, "must, but none exists")]
    # The earlier attempt's events were only late.
    live(FIRST)
    assert breaches(store, run_id) == [(0, 1, ""), (0, 2, "")]


def test_what_is_deleted_does_not_count_as_an_earlier_attempt(store: Store, run_id: UUID, live: Live) -> None:
    live(FIRST)
    store.insert("tag", events.deletion(run_id, FIRST))
    live(SECOND, "must")
    live(SECOND + 100_000_000, "never")
    assert breaches(store, run_id) == [
        (0, 2, "must, but none exists"),
        (0, 3, "never, but an earlier attempt exists"),
    ]


def test_a_rank_that_joins_a_resumed_run_breaks_no_must(store: Store, run_id: UUID, live: Live) -> None:
    live(FIRST)
    for rank in (0, 1):
        live(SECOND + rank, "must", rank)
    assert breaches(store, run_id) == [(0, 1, ""), (0, 2, ""), (1, 1, "")]


def test_ranks_that_begin_one_after_the_other_are_no_earlier_attempt(store: Store, run_id: UUID, live: Live) -> None:
    for rank in (0, 1):
        live(FIRST + 50_000 * rank, "must", rank)
    assert breaches(store, run_id) == [(0, 1, "must, but none exists"), (1, 1, "must, but none exists")]


def test_two_processes_with_one_rank_both_stay_visible_and_are_named(store: Store, run_id: UUID, live: Live) -> None:
    live(FIRST)
    live(FIRST + 500_000)
    assert store.one("SELECT count() FROM points WHERE run_id = {r:UUID}", r=run_id) == 20
    overlapped = "began before the last point of attempt 1: concurrent or clock behind"
    assert breaches(store, run_id) == [(0, 1, ""), (0, 2, overlapped)]


def test_gpu_hours_add_up_attempts_on_gpus_and_go_on_while_one_runs(store: Store, run_id: UUID) -> None:
    hour = 3_600_000_000
    gpu_hours = "SELECT gpu_hours FROM runs WHERE run_id = {r:UUID}"

    def live(rank: int, attempt: int, hours: float, *, device: str, state: str = "finished") -> None:
        end = attempt + int(hours * hour)
        store.insert("run", events.run(run_id, rank=rank, attempt=attempt, device=device))
        store.insert("status", events.status(run_id, rank=rank, attempt=attempt, time=end, state=state))

    live(0, FIRST, 2, device="cpu")
    assert store.one(gpu_hours, r=run_id) == 0
    live(1, FIRST, 2, device="cuda:0")
    live(1, FIRST + 3 * hour, 0.5, device="cuda:0", state="failed")
    live(2, FIRST, 1, device="cuda:1")
    assert store.one(gpu_hours, r=run_id) == 3.5
    # Known by a point alone: nobody can say how long it ran.
    frame = events.frame([0], [FIRST + hour], {"loss": [1.0]})
    store.insert("metric", events.metric(run_id, [frame], rank=3))
    assert store.one(gpu_hours, r=run_id) == 3.5


def test_gpu_hours_of_a_running_run_are_those_up_to_now(new_store: Callable[[], Store], run_id: UUID) -> None:
    store = new_store()  # others would look lost beside events of today
    now = time.time_ns() // 1000
    store.insert("run", events.run(run_id, attempt=now - 3_600_000_000, device="cuda:0"))
    store.insert("status", events.status(run_id, attempt=now - 3_600_000_000, time=now + 60_000_000, state="running"))
    found = store.one("SELECT gpu_hours FROM runs WHERE run_id = {r:UUID} AND state = 'running'", r=run_id)
    assert 1 <= found < 1.1
