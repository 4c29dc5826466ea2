"""The loops that log: back to back, and paced beside work. They know no tracker, only a function that logs."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter, perf_counter_ns, process_time, thread_time

Log = Callable[[Mapping[str, float], int], None]

UNIT_ADDITIONS = 400
"""Work of about 20 µs between two looks at the clock: short beside a pace of 1 ms, long beside the look."""

VARIANTS = 64
"""Rows that are logged in turn, made beforehand: making a dict is the caller's business, not the tracker's."""


def nothing(metrics: Mapping[str, float], step: int) -> None:
    """Logs nothing: what the loop and the clock cost."""


def rows(metrics: int) -> list[dict[str, float]]:
    """Rows of so many metrics with values that look like losses."""
    names = ["train/loss", "train/accuracy", "lr", *(f"layer{n}/grad_norm" for n in range(metrics))][:metrics]
    return [{name: 1.0 / (1 + i + j) for j, name in enumerate(names)} for i in range(VARIANTS)]


@dataclass(frozen=True)
class CallTimes:
    """What single calls took, in µs, the look at the clock included."""

    calls: int
    seconds: float
    """Of the whole loop."""
    median: float
    mean: float
    p99: float
    p999: float
    greatest: float


def call_times(nanoseconds: Sequence[int], seconds: float) -> CallTimes:
    """Summary of single calls. Assumes that there is at least one."""
    ordered = sorted(nanoseconds)
    count = len(ordered)

    def at(share: float) -> float:
        return ordered[min(count - 1, int(share * count))] / 1e3

    return CallTimes(count, seconds, at(0.5), sum(ordered) / count / 1e3, at(0.99), at(0.999), ordered[-1] / 1e3)


def back_to_back(log: Log, metrics: int, calls: int, budget_s: float, first_step: int = 0) -> CallTimes:
    """Log as fast as possible, at most so many calls or seconds."""
    source = rows(metrics)
    took = array("q")
    note = took.append
    now = perf_counter_ns
    began = now()
    deadline = began + int(budget_s * 1e9)
    for step in range(first_step, first_step + calls):
        row = source[step % VARIANTS]
        before = now()
        log(row, step)
        after = now()
        note(after - before)
        if after > deadline:
            break
    return call_times(took, (now() - began) / 1e9)


@dataclass(frozen=True)
class Paced:
    """What a busy loop got done."""

    units: int
    seconds: float
    times: CallTimes | None
    """Of the calls; None when none was due."""
    in_calls_s: float
    """Inside the calls."""
    others_cpu_s: float
    """CPU time of this process's other threads, which share the interpreter's lock with the loop."""

    @property
    def rate(self) -> float:
        """Units of work a second."""
        return self.units / self.seconds


def busy(log: Log, metrics: int, seconds: float, per_second: float) -> Paced:
    """Work without a pause, and log whenever it is time to; calls that are overdue are not made up for."""
    source = rows(metrics)
    took = array("q")
    pause = 1.0 / per_second
    units = step = 0
    others = process_time() - thread_time()
    began = perf_counter()
    due = began + pause
    end = began + seconds
    moment = began
    while moment < end:
        _work()
        units += 1
        moment = perf_counter()
        if moment >= due:
            before = perf_counter_ns()
            log(source[step % VARIANTS], step)
            took.append(perf_counter_ns() - before)
            step += 1
            due = max(due + pause, moment)
    spent = perf_counter() - began
    others = process_time() - thread_time() - others
    return Paced(units, spent, call_times(took, spent) if took else None, sum(took) / 1e9, others)


def _work() -> float:
    total = 0.0
    for i in range(UNIT_ADDITIONS):
        total += i * 0.5
    return total
