"""Random histories with what is hard: resumed, overlapping, deleted attempts, NaN, negative and sparse steps, ranks."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from uuid import UUID

import support_events as events
from support_events import Event

METRICS = ("train/loss", "val/acc", 'odd "näme"\n')
VALUES = (0.0, 1.0, -1.0, 0.5, 2.5, -7.25, 1e300, -1e300, 5e-324, math.nan, math.inf, -math.inf)

STRIDES = ((0, 1, 1, 1, 1), (0, 1, 1, 1, 7), (0, 1, 300), (10_000,), (1, 70_000))
"""What a step adds to the one before: dense, with ties, sparse."""


def histories(seeds: range) -> dict[str, list[Event]]:
    """The events of some runs for each seed, by kind."""
    found: dict[str, list[Event]] = defaultdict(list)
    for seed in seeds:
        _history(random.Random(seed), found)
    return dict(found)


def _history(rng: random.Random, found: dict[str, list[Event]]) -> None:
    for number in range(rng.randint(2, 4)):
        run_id = UUID(int=rng.getrandbits(128))
        attempts: list[int] = []
        for rank in rng.sample(range(4), rng.randint(1, 3)):
            # Months apart, so that one run lies in several partitions.
            begin = events.ATTEMPT + rng.randrange(10**6) + number * rng.choice((0, 3_000_000_000_000))
            for _ in range(rng.choice((1, 1, 2, 3))):
                batches, end = _attempt(rng, run_id, rank, begin)
                queued = sum(len(frame["steps"]) * len(frame["columns"]) for b in batches for frame in b["frames"])
                found["metric"] += batches
                found["run"].append(events.run(run_id, rank=rank, attempt=begin))
                counters = {"logged": queued, "queued": queued, "last_seq": len(batches) - 1, "final": True}
                found["status"].append(
                    events.status(run_id, rank=rank, attempt=begin, time=end, state="finished", **counters)
                )
                attempts.append(begin)
                # Mostly after the last point; sometimes before it, as a concurrent writer or a clock that is behind.
                begin = rng.choice((end + 1, end + 10**6, end, begin + (end - begin) // 2 + 1))
        if rng.random() < 0.3:
            found["tag"].append(events.deletion(run_id, rng.choice(attempts), time=max(attempts) + 10**9))


def _attempt(rng: random.Random, run_id: UUID, rank: int, attempt: int) -> tuple[list[Event], int]:
    now = attempt
    step = rng.choice((0, 0, -40, 17, 100, 250, 5_000, -200_000))
    strides = rng.choice(STRIDES)
    dead = rng.choice((*METRICS, *[None] * 6))
    batches = []
    for seq in range(rng.randint(1, 4)):
        frames = []
        for _ in range(rng.randint(1, 2)):
            names = rng.sample(METRICS, rng.randint(1, len(METRICS)))
            rows = rng.choice((0, 1, 5, 40, 90))
            steps, times = [], []
            for _ in range(rows):
                step += rng.choice(strides)
                now += rng.randint(1, 50)
                steps.append(step)
                times.append(now)
            columns = {name: [math.nan if name == dead else _value(rng) for _ in steps] for name in names}
            frames.append(events.frame(steps, times, columns, auto_steps=rng.random() < 0.15))
            step -= rng.choice((0, 0, 0, 20))
        batches.append(events.metric(run_id, frames, rank=rank, attempt=attempt, seq=seq))
    return batches, now


def _value(rng: random.Random) -> float:
    return rng.choice(VALUES) if rng.random() < 0.15 else round(rng.gauss(0, 10), 2)
