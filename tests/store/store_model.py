"""What the store must answer, written plainly: identity, superseding, deletion, summaries and buckets over events."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NamedTuple

Event = dict[str, Any]


class Point(NamedTuple):
    metric: str
    run_id: str
    rank: int
    attempt: int
    step: int
    time: int
    value: float


class Series(NamedTuple):
    metric: str
    run_id: str
    rank: int
    attempt: int


@dataclass(frozen=True, eq=False)
class Model:
    events: dict[str, list[Event]]
    """All events by kind, each once."""

    @cached_property
    def stored(self) -> dict[Series, dict[tuple[int, int], float]]:
        """Every distinct point by series, then by (step, time)."""
        found: dict[Series, dict[tuple[int, int], float]] = {}
        for event, frame in self._frames():
            for column in frame["columns"]:
                key = Series(column["metric"], event["run_id"], event["rank"], event["attempt"])
                for step, time, value in zip(frame["steps"], frame["times"], column["values"], strict=True):
                    found.setdefault(key, {})[step, time] = value
        return found

    @cached_property
    def visible(self) -> list[Point]:
        """The points that are neither superseded nor deleted, in the order of the columns."""
        explicit = self._explicit_steps()
        points = []
        for series, values in self.stored.items():
            if self.deleted(series):
                continue
            last_time = max(time for _, time in values)
            cutoff = min(
                (
                    step
                    for other, step in explicit.items()
                    if other[:3] == series[:3] and other.attempt > series.attempt and other.attempt > last_time
                ),
                default=math.inf,
            )
            points += [Point(*series, step, time, value) for (step, time), value in values.items() if step < cutoff]
        return sorted(points, key=lambda p: p[:6])

    def deleted(self, series: Series) -> bool:
        until = (int(tag["value"]) for tag in self.events["tag"] if tag["run_id"] == series.run_id)
        return series.attempt <= max(until, default=0)

    def by_rank(self) -> dict[tuple[str, str, int], tuple[Any, ...]]:
        """metric_summary_by_rank without its keys."""
        return {key: summary(p) for key, p in grouped(self.visible, lambda p: (p.run_id, p.metric, p.rank)).items()}

    @cached_property
    def lowest_rank(self) -> dict[tuple[str, str], int]:
        """Of each (run, metric) the lowest rank that has a visible point."""
        return {key: min(p.rank for p in points) for key, points in grouped(self.visible, lambda p: p[1::-1]).items()}

    @cache  # noqa: B019 - a model lives as long as its tests
    def chart(self, metric: str, width: int, *, every_rank: bool) -> dict[tuple[str, int, int], tuple[Any, ...]]:
        """Buckets of `width` steps: (run, rank, first step) to (last, min, max, nonfinite, first non-finite step)."""
        points = [
            p
            for p in self.visible
            if p.metric == metric and (every_rank or p.rank == self.lowest_rank[p.run_id, p.metric])
        ]
        buckets = grouped(points, lambda p: (p.run_id, p.rank, p.step // width * width))
        return {key: bucket(members) for key, members in buckets.items()}

    def _explicit_steps(self) -> dict[Series, int]:
        """The smallest step of each series that the producer did not count by itself."""
        found: dict[Series, int] = {}
        for event, frame in self._frames():
            if frame["steps"] and not frame["auto_steps"]:
                for column in frame["columns"]:
                    key = Series(column["metric"], event["run_id"], event["rank"], event["attempt"])
                    found[key] = min(found.get(key, frame["steps"][0]), frame["steps"][0])
        return found

    def _frames(self) -> Iterator[tuple[Event, Event]]:
        return ((event, frame) for event in self.events["metric"] for frame in event["frames"])


def grouped(points: Iterable[Point], key: Callable[[Point], Any]) -> dict[Any, list[Point]]:
    found: dict[Any, list[Point]] = {}
    for point in points:
        found.setdefault(key(point), []).append(point)
    return found


def summary(points: list[Point]) -> tuple[Any, ...]:
    finite = [p for p in points if math.isfinite(p.value)]
    bad = [p for p in points if not math.isfinite(p.value)]
    last = max(finite, key=lambda p: (p.step, p.time), default=None)
    low = min(finite, key=lambda p: (p.value, p.step), default=None)
    high = min(finite, key=lambda p: (-p.value, p.step), default=None)
    first = min(bad, key=lambda p: (p.step, p.time), default=None)
    return (
        last and last.value,
        last and last.step,
        last and last.time,
        low and low.value,
        low and low.step,
        high and high.value,
        high and high.step,
        min(p.step for p in points),
        first and first.step,
        repr(first.value) if first else None,
        flags(points),
    )


def bucket(points: list[Point]) -> tuple[Any, ...]:
    whole = summary(points)
    return (whole[0], whole[3], whole[5], whole[10], whole[8])


def flags(points: list[Point]) -> int:
    return (
        any(math.isnan(p.value) for p in points) * 1
        + any(p.value == math.inf for p in points) * 2
        + any(p.value == -math.inf for p in points) * 4
    )
