"""What `diagnosis` and `rank_progress` say of runs by their states and ranks: lost, stalled, silent, slow."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from curves import SECOND, START, curve, diagnose, falling, verdict
from store_process import Store

import support_events as events

DAY = 86_400 * SECOND


@dataclass
class Job:
    """A run of several ranks, which begins later than whatever the store has seen."""

    store: Store
    run_id: UUID
    begin: int

    def rank(
        self,
        rank: int,
        *,
        steps: int = 100,
        step_s: float = 1.0,
        seen_s: float | None = None,
        state: str = "running",
        clock_s: float = 0.0,
        late_s: float = 0.0,
        columns: dict[str, list[float]] | None = None,
    ) -> None:
        """A rank that logged so many steps, and whose last heartbeat came so long after the job's begin."""
        attempt = self.begin + round((clock_s + late_s) * SECOND)
        self.store.insert("run", events.run(self.run_id, rank=rank, attempt=attempt, world_size=4))
        if steps:
            times = [round((step + 1) * step_s * SECOND) for step in range(steps)]
            logged = {"train/loss": falling(steps)} if columns is None else columns
            self.store.insert("metric", curve(self.run_id, logged, times=times, attempt=attempt, rank=rank))
        seen = attempt + round(((steps * step_s if seen_s is None else seen_s) - late_s) * SECOND)
        ended = state != "running"
        self.store.insert(
            "status", events.status(self.run_id, rank=rank, attempt=attempt, time=seen, state=state, final=ended)
        )

    def diagnosis(self) -> dict[str, Any]:
        return diagnose(self.store, self.run_id)

    def verdict(self) -> str:
        return verdict(self.store, self.run_id)


@pytest.fixture(scope="module")
def jobs(new_store: Callable[[], Store]) -> Iterator[Job]:
    """A run is lost 60 s after its last heartbeat by the newest event of the store: each job is the newest."""
    store = new_store()
    return (Job(store, UUID(int=number), START + number * DAY) for number in itertools.count(1))


@pytest.fixture
def job(jobs: Iterator[Job]) -> Job:
    return next(jobs)


@pytest.mark.parametrize(("after_s", "expected"), [(59, "improving"), (61, "lost")])
def test_a_run_without_a_heartbeat_for_a_minute_is_lost(job: Job, after_s: int, expected: str) -> None:
    job.rank(0)
    other = Job(job.store, UUID(int=job.run_id.int + 10**6), job.begin + (100 + after_s) * SECOND)
    other.rank(0, steps=0, seen_s=0)
    assert job.verdict() == expected


def test_a_run_that_was_lost_and_resumed_is_not_lost(job: Job) -> None:
    job.rank(0)
    job.rank(0, late_s=3_600, seen_s=3_700)
    assert job.verdict() == "improving"


@pytest.mark.parametrize(("quiet_s", "expected"), [(599, "improving"), (601, "stalled")])
def test_a_run_that_is_alive_without_a_point_for_ten_minutes_is_stalled(job: Job, quiet_s: int, expected: str) -> None:
    job.rank(0, seen_s=100 + quiet_s)
    found = job.diagnosis()
    assert (found["verdict"], found["quiet_s"]) == (expected, quiet_s)


@pytest.mark.parametrize(("quiet_s", "expected"), [(1_010, "improving"), (1_090, "stalled")])
def test_a_long_run_may_be_quiet_for_a_twentieth_of_its_time(job: Job, quiet_s: int, expected: str) -> None:
    job.rank(0, step_s=200, seen_s=20_000 + quiet_s)
    assert job.verdict() == expected


def test_a_run_that_never_logged_a_point_stalls_too(job: Job) -> None:
    job.rank(0, steps=0, seen_s=601)
    assert job.verdict() == "stalled"


def test_system_metrics_are_no_progress(job: Job) -> None:
    job.rank(0, seen_s=900)
    times = [(100 + 10 * n) * SECOND for n in range(80)]
    frame = events.frame(range(80), [job.begin + time for time in times], {"system/cpu_percent": [1.0] * 80})
    job.store.insert("metric", events.metric(job.run_id, [frame], attempt=job.begin, seq=1))
    assert job.verdict() == "stalled"


def test_a_run_that_ended_is_neither_stalled_nor_silent(job: Job) -> None:
    job.rank(0, seen_s=5_000, state="finished")
    job.rank(1, steps=10, seen_s=10, state="finished")
    assert job.diagnosis()["silent_rank"] is None
    assert job.verdict() != "stalled"


def test_a_run_in_its_first_second_is_too_early_or_unknown(job: Job) -> None:
    job.rank(0, steps=0, seen_s=0)
    assert job.verdict() == "unknown"
    job.rank(0, steps=1, step_s=0.1)
    assert job.verdict() == "too early"


@pytest.mark.parametrize(("behind_s", "expected"), [(59, "improving"), (61, "silent rank")])
def test_a_rank_without_a_sign_of_life_for_a_minute_is_silent(job: Job, behind_s: int, expected: str) -> None:
    for rank in (0, 1, 3):
        job.rank(rank, steps=200)
    job.rank(2, steps=200 - behind_s)
    found = job.diagnosis()
    assert (found["verdict"], found["silent_rank"]) == (expected, 2 if expected == "silent rank" else None)


def test_a_rank_that_lives_without_a_point_while_others_go_on_is_silent(job: Job) -> None:
    job.rank(0, steps=1_000)
    job.rank(1, steps=300, seen_s=1_000)
    found = job.diagnosis()
    assert (found["verdict"], found["silent_rank"], found["detail"]) == ("silent rank", 1, "rank 1 is silent")


def test_a_rank_that_failed_while_others_go_on_is_silent(job: Job) -> None:
    job.rank(0)
    for rank in (2, 3):
        job.rank(rank, steps=50, seen_s=90, state="failed")
    found = job.diagnosis()
    assert (found["verdict"], found["silent_rank"], found["detail"]) == (
        "silent rank",
        2,
        "rank 2 is silent, and 1 more",
    )


def test_ranks_that_log_nothing_are_not_silent_while_they_live(job: Job) -> None:
    job.rank(0, steps=2_000)
    for rank in (1, 2, 3):
        job.rank(rank, steps=0, seen_s=2_000)
    assert job.verdict() == "improving"


def test_a_rank_that_finished_first_is_not_silent(job: Job) -> None:
    job.rank(0, steps=1_000)
    job.rank(1, steps=1_000, step_s=0.9, state="finished")
    assert job.verdict() == "improving"


def test_ranks_that_all_wait_for_each_other_are_stalled_not_silent(job: Job) -> None:
    for rank in range(4):
        job.rank(rank, seen_s=800)
    found = job.diagnosis()
    assert (found["verdict"], found["silent_rank"]) == ("stalled", None)


@pytest.mark.parametrize("clock_s", [-7_200, -61, -5, 5, 61])
def test_a_clock_that_is_wrong_makes_no_rank_silent_slow_or_stalled(job: Job, clock_s: int) -> None:
    job.rank(0)
    job.rank(1)
    job.rank(2, clock_s=clock_s)
    found = job.diagnosis()
    assert (found["verdict"], found["silent_rank"]) == ("improving", None)
    assert found["slowest_factor"] == pytest.approx(1.0)


@pytest.mark.parametrize("late_s", [30, 90])
def test_a_rank_that_began_late_is_not_silent(job: Job, late_s: int) -> None:
    job.rank(0, steps=200)
    job.rank(1, steps=200 - late_s, late_s=late_s, seen_s=200)
    assert job.verdict() == "improving"


@pytest.mark.parametrize(("factor", "expected"), [(1.24, "improving"), (1.26, "straggler")])
def test_a_rank_is_a_straggler_from_a_quarter_more_time_per_step_on(job: Job, factor: float, expected: str) -> None:
    for rank in (0, 1, 2):
        job.rank(rank, steps=100, state="finished")
    job.rank(3, steps=100, step_s=factor, state="finished")
    found = job.diagnosis()
    assert (found["verdict"], found["slowest_rank"]) == (expected, 3)
    assert found["slowest_factor"] == pytest.approx(factor, rel=0.01)


def test_a_rank_without_a_speed_hides_no_straggler(job: Job) -> None:
    for rank in (0, 1):
        job.rank(rank, state="finished")
    job.rank(2, step_s=2.0, state="finished")
    job.rank(3, steps=0, seen_s=0, state="finished")
    found = job.diagnosis()
    assert (found["verdict"], found["slowest_rank"], found["slowest_factor"]) == ("straggler", 2, 2.0)


@pytest.mark.parametrize(("step_s", "expected"), [(0.09, "improving"), (0.11, "straggler")])
def test_speeds_are_compared_after_ten_seconds(job: Job, step_s: float, expected: str) -> None:
    for rank in range(3):
        job.rank(rank, step_s=step_s / 2, state="finished")
    job.rank(3, step_s=step_s, state="finished")
    assert job.verdict() == expected


@pytest.mark.parametrize("steps", [100, 5_000])
def test_of_ranks_that_wait_for_each_other_the_one_that_never_waits_is_the_straggler(job: Job, steps: int) -> None:
    for rank in range(4):
        wait_ms = 0.1 if rank == 2 else 6.0
        timing = {"time/step_ms": [10.0] * steps, "time/wait_ms": [wait_ms] * steps}
        job.rank(rank, steps=steps, step_s=0.01, columns={"train/loss": falling(steps)} | timing, state="finished")
    found = job.diagnosis()
    assert (found["verdict"], found["slowest_rank"]) == ("straggler", 2)
    assert found["slowest_factor"] == pytest.approx(9.9 / 4.0)
    assert found["detail"] == "rank 2 takes 2.48 times as long as the median rank"
    works = job.store.query(
        "SELECT rank, round(work_ms, 3) FROM rank_progress WHERE run_id = {r:UUID} ORDER BY rank", r=job.run_id
    )
    assert works == [(0, 4.0), (1, 4.0), (2, 9.9), (3, 4.0)]


def test_progress_is_that_of_the_newest_attempt_and_of_the_metric_that_has_come_furthest(job: Job) -> None:
    job.rank(0, steps=1_000)
    later = job.begin + 7_200 * SECOND
    job.store.insert("run", events.run(job.run_id, attempt=later))
    resumed = curve(
        job.run_id, {"train/loss": falling(101)}, steps=range(500, 601), times=[SECOND * n for n in range(101)],
        attempt=later,
    )  # fmt: skip
    epochs = curve(job.run_id, {"val/loss": [1.0]}, steps=[6], times=[50 * SECOND], attempt=later, seq=1)
    job.store.insert("metric", resumed, epochs)
    ((*row,),) = job.store.query(
        "SELECT rank, attempt, last_step, steps_per_second, factor FROM rank_progress WHERE run_id = {r:UUID}",
        r=job.run_id,
    )
    assert row == [0, later, 600, 1.0, 1.0]
