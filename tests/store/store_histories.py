"""Random histories with what is hard: resumed, overlapping, deleted attempts, ties, NaN, negative steps, many ranks."""

from __future__ import annotations

import math
import random
from typing import Any
from uuid import UUID

import support_events as events

Event = dict[str, Any]

METRICS = ("train/loss", "val/acc", 'odd "näme"\n')
VALUES = (0.0, 1.0, -1.0, 0.5, 2.5, -7.25, 1e300, -1e300, 5e-324, math.nan, math.inf, -math.inf)


def history(seed: int) -> tuple[list[Event], list[Event]]:
    """Metric events and deletions of some runs."""
    rng = random.Random(seed)
    metrics: list[Event] = []
    deletions: list[Event] = []
    for number in range(rng.randint(2, 4)):
        run_id = UUID(int=rng.getrandbits(128))
        attempts: list[int] = []
        for rank in rng.sample(range(4), rng.randint(1, 3)):
            begin = events.ATTEMPT + rng.randrange(10**6) + number * rng.choice((0, 3_000_000_000_000))
            for _ in range(rng.choice((1, 1, 2, 3))):
                batches, end = _attempt(rng, run_id, rank, begin)
                metrics += batches
                attempts.append(begin)
                # Mostly after the last point; sometimes before it, as a concurrent writer or a clock that is behind.
                begin = rng.choice((end + 1, end + 10**6, end, begin + (end - begin) // 2 + 1))
        if rng.random() < 0.3:
            deletions.append(events.deletion(run_id, rng.choice(attempts), time=max(attempts) + 10**9))
    return metrics, deletions


def _attempt(rng: random.Random, run_id: UUID, rank: int, attempt: int) -> tuple[list[Event], int]:
    now = attempt
    step = rng.choice((0, 0, -40, 17, 100, 250, 5_000))
    spread = rng.choice((1, 1, 1, 7, 300, 70_000))
    batches = []
    for seq in range(rng.randint(1, 4)):
        frames = []
        for _ in range(rng.randint(1, 2)):
            names = rng.sample(METRICS, rng.randint(1, len(METRICS)))
            rows = rng.choice((0, 1, 5, 40, 90))
            steps, times = [], []
            for _ in range(rows):
                step += rng.choice((0, 1, 1, 1, spread))
                now += rng.randint(1, 50)
                steps.append(step)
                times.append(now)
            columns = {name: [_value(rng) for _ in range(rows)] for name in names}
            frames.append(events.frame(steps, times, columns, auto_steps=rng.random() < 0.15))
            step -= rng.choice((0, 0, 0, 20))
        batches.append(events.metric(run_id, frames, rank=rank, attempt=attempt, seq=seq))
    return batches, now


def _value(rng: random.Random) -> float:
    return rng.choice(VALUES) if rng.random() < 0.15 else round(rng.gauss(0, 10), 2)
