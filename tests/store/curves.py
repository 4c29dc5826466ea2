"""Made-up runs with a known answer, and what the store makes of them."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from store_process import Store

import support_events as events
from support_events import Event

START = events.ATTEMPT
SECOND = 1_000_000
"""µs."""
STEP_US = 10_000
"""A training step takes so long, unless a test says otherwise."""


def curve(
    run_id: UUID,
    columns: dict[str, Sequence[float]],
    *,
    steps: Sequence[int] | None = None,
    times: Sequence[int] | None = None,
    attempt: int = START,
    rank: int = 0,
    seq: int = 0,
) -> Event:
    """A batch with one value of each metric at every step; times in µs since the attempt began."""
    count = len(next(iter(columns.values())))
    steps = range(count) if steps is None else steps
    times = [(step + 1) * STEP_US for step in steps] if times is None else times
    frame = events.frame(steps, [attempt + time for time in times], columns)
    return events.metric(run_id, [frame], rank=rank, attempt=attempt, seq=seq)


def validated(run_id: UUID, train: Sequence[float], val: Sequence[float], **options: Any) -> list[Event]:
    """Two batches: training loss by step, and validation loss by epoch, evenly over the same time."""
    every = len(train) // len(val)
    times = [((epoch + 1) * every) * STEP_US + 1 for epoch in range(len(val))]
    return [
        curve(run_id, {"train/loss": train}, **options),
        curve(run_id, {"val/loss": val}, times=times, seq=1, **options),
    ]


def put(store: Store, run_id: UUID, *batches: Event, state: str = "finished") -> None:
    """Insert a run of one rank that began and ended."""
    store.insert("run", events.run(run_id))
    store.insert("metric", *batches)
    end = max(time for batch in batches for frame in batch["frames"] for time in frame["times"])
    store.insert("status", events.status(run_id, time=end, state=state, final=state != "running"))


def diagnose(store: Store, run_id: UUID) -> dict[str, Any]:
    """The run's row."""
    names = [name for name, *_ in store.query("DESCRIBE diagnosis")]
    ((*values,),) = store.query("SELECT * FROM diagnosis WHERE run_id = {r:UUID}", r=run_id)
    return dict(zip(names, values, strict=True))


def verdict(store: Store, run_id: UUID) -> str:
    return str(diagnose(store, run_id)["verdict"])


def falling(count: int, *, to: float = 0.05, start: float = 2.0) -> list[float]:
    """An exponential fall."""
    return [start * (to / start) ** (step / max(count - 1, 1)) for step in range(count)]


def noisy(values: Sequence[float], deviation: float, seed: int) -> list[float]:
    """Normal noise, of a deviation relative to each value."""
    rng = random.Random(seed)
    return [value * (1 + deviation * rng.gauss(0, 1)) for value in values]


def valley(count: int, least_at: int, *, rise: float, least: float = 1.0, start: float = 2.0) -> list[float]:
    """Falls straight to its least value, then rises straight: the last quarter's median is `rise` above the least."""
    quarter = max(1, count // 4)
    middle = count - 1 - (quarter - 1) / 2
    slope = least * rise / (middle - least_at)
    return [
        start + (least - start) * place / least_at if place <= least_at else least + slope * (place - least_at)
        for place in range(count)
    ]


def levels(*quarters: float, each: int = 8) -> list[float]:
    """Flat quarters."""
    return [level for level in quarters for _ in range(each)]


NAN = math.nan
