"""Identity, superseding and summaries in plain Python: what the views must show."""

import math
import random
from dataclasses import dataclass, field
from uuid import UUID

import support_events as events

START = 1_760_000_000_000_000


@dataclass(frozen=True)
class Point:
    metric: str
    rank: int
    attempt: int
    step: int
    time: int
    value: float
    automatic: bool


@dataclass
class History:
    """A run: its points and the metric events that carry them."""

    run_id: UUID
    points: list[Point] = field(default_factory=list)
    batches: list[dict[str, object]] = field(default_factory=list)


def random_history(seed: int) -> History:
    """A run of up to three attempts and two ranks, with repeats, gaps, NaN, negative steps, overlapping attempts."""
    rng = random.Random(seed)
    history = History(UUID(int=rng.getrandbits(128), version=4))
    for rank in rng.choice([[0], [0], [0, 1], [1, 2]]):
        attempt = START + rng.randrange(10**6)
        for _ in range(rng.choice([1, 1, 2, 3])):
            end = _log_attempt(rng, history, rank, attempt)
            # Mostly after the last point, sometimes while the attempt is still logging.
            attempt = end + 1_000_000 if rng.random() < 0.7 else attempt + 10
    return history


def _log_attempt(rng: random.Random, history: History, rank: int, attempt: int) -> int:
    step, time = rng.choice([-40, 0, 0, 30]), attempt
    for seq in range(rng.choice([1, 2])):
        automatic = rng.random() < 0.2
        metrics = rng.choice([["a"], ["a", "b"], ["b"]])
        steps, times = [], []
        for _ in range(rng.randrange(1, 60)):
            step += rng.choice([0, 1, 1, 1, 5, 40])
            time += rng.randrange(1, 50)
            steps.append(step)
            times.append(time)
        columns = {metric: [_value(rng) for _ in steps] for metric in metrics}
        frame = events.frame(steps, times, columns, auto_steps=automatic)
        history.batches.append(events.metric(history.run_id, [frame], rank=rank, attempt=attempt, seq=seq))
        for metric, values in columns.items():
            for at, moment, value in zip(steps, times, values, strict=True):
                history.points.append(Point(metric, rank, attempt, at, moment, value, automatic))
    return time


def _value(rng: random.Random) -> float:
    return rng.choice([rng.random(), rng.random(), math.nan, math.inf, -1.0])


def visible(history: History) -> list[Point]:
    """Points not superseded: by a later attempt, per metric and rank, from its smallest explicit step."""
    shown = []
    for point in history.points:
        series = [p for p in history.points if (p.metric, p.rank) == (point.metric, point.rank)]
        last_time = max(p.time for p in series if p.attempt == point.attempt)
        later = {p.attempt for p in series if p.attempt > last_time}
        cutoffs = [p.step for p in series if p.attempt in later and not p.automatic]
        if not cutoffs or point.step < min(cutoffs):
            shown.append(point)
    return shown


def finite(points: list[Point]) -> list[Point]:
    return [point for point in points if math.isfinite(point.value)]
