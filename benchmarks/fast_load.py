"""Fast loggers through the pipeline: draining a full topic, and keeping up for minutes."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from pathlib import Path

from .fast_fleet import fill, keep_filling, number_of_messages
from .parts import Usage, Watch
from .pipeline import pipeline

POINTS = "runstream_ingest_points_total"
AHEAD_POINTS = 6_000_000
"""Points in the topic beyond what is stored: the worker always has enough, and the broker need not keep minutes."""


@dataclass(frozen=True)
class Fast:
    """What a topic that was full already took to be stored."""

    calls: int
    points: int
    messages: int
    bytes: int
    drain_s: float
    usage: dict[str, Usage]


def fast(directory: Path, calls: int, points: int, partitions: int) -> Fast:
    """Fill a topic with messages of so many log calls, then let one worker with an embedded store drain it."""
    with pipeline(directory, partitions=partitions, embedded=True) as made:
        filled = fill(made.cluster.bootstrap, made.prefix, calls, number_of_messages(points, calls))
        made.start_worker()
        made.wait_for_partitions(60)
        began = time.monotonic()
        with Watch(made.pids) as watch:
            made.wait_for_points(filled.points, 600)
            drain_s = time.monotonic() - began
    return Fast(calls, filled.points, filled.messages, filled.bytes, drain_s, watch.usage)


@dataclass(frozen=True)
class Sustained:
    """A worker at its limit for minutes."""

    calls: int
    seconds: float
    points: float
    slowest_minute: float
    """Points a second in the minute with the fewest."""
    usage: dict[str, Usage]


def sustained(directory: Path, calls: int, seconds: float, partitions: int) -> Sustained:
    """Keep a topic filled just ahead of one worker with an embedded store; all parts are on this machine."""
    with pipeline(directory, partitions=partitions, embedded=True) as made:
        made.start_worker()
        made.wait_for_partitions(60)
        began = time.monotonic()
        marks = [(0.0, 0.0)]

        def wanted(sent: int) -> bool:
            stored, now = made.counter(POINTS), time.monotonic() - began
            marks.append((now, stored))
            return sent - stored < AHEAD_POINTS

        with Watch(made.pids) as watch:
            keep_filling(
                made.cluster.bootstrap,
                made.prefix,
                calls,
                more=wanted,
                done=lambda: time.monotonic() - began >= seconds,
            )
            took, stored = time.monotonic() - began, made.counter(POINTS)
    return Sustained(calls, took, stored, _slowest_minute(marks), watch.usage)


def _slowest_minute(marks: list[tuple[float, float]]) -> float:
    """Points a second of the worst full minute; of the whole when there is none."""
    minutes: list[tuple[float, float]] = [marks[0]]
    for mark in marks:
        if mark[0] - minutes[-1][0] >= 60.0:
            minutes.append(mark)
    if len(minutes) < 2:
        minutes.append(marks[-1])
    return min((b[1] - a[1]) / (b[0] - a[0]) for a, b in itertools.pairwise(minutes))
