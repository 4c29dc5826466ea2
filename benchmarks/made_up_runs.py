"""A log directory as training jobs would leave it, written with the producer's own encoder and transport."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from runstream.batches import Message
from runstream.frames import encode_batch
from runstream.transport.log_directory import LogDirectory

STEP_US = 50_000
"""A training step of 50 ms …"""
JITTER_US = 2_000
"""… that takes 2 ms more or less (standard deviation)."""
FIRST_ATTEMPT = 1_767_225_600_000_000
"""2026-01-01 in µs; made-up runs begin a minute apart."""


@dataclass(frozen=True)
class Shape:
    """What the log directory holds."""

    runs: int
    metrics: int
    steps: int
    """Log calls of each run."""
    calls_per_message: int
    float32: bool
    """Values that were float32 before they became doubles, as losses of a GPU are; else all 53 bits are noise."""

    @property
    def points(self) -> int:
        """Of all runs."""
        return self.runs * self.metrics * self.steps


def write(directory: Path, shape: Shape) -> int:
    """Write it; the bytes written."""
    names = ["train/loss", "train/accuracy", *(f"layer{n}/grad_norm" for n in range(shape.metrics))][: shape.metrics]
    random = np.random.default_rng(1)
    for run in range(shape.runs):
        attempt = FIRST_ATTEMPT + run * 60_000_000
        run_id = UUID(int=(attempt // 1000) << 80 | 0x7 << 76 | 0x8 << 60 | run)
        transport = LogDirectory(directory, run_id=run_id, rank=0, attempt=attempt)
        made = rows(random, shape)
        for seq, start in enumerate(range(0, shape.steps, shape.calls_per_message)):
            part = made[start : start + shape.calls_per_message].tobytes()
            batch = encode_batch(run_id, 0, attempt, seq, [(names, False, part)], 1000 * attempt)
            transport.send(seq, [Message("metric", batch)])
        transport.close()
    return sum(path.stat().st_size for path in directory.rglob("*.avro"))


def rows(random: np.random.Generator, shape: Shape) -> NDArray[np.int64]:
    """One run's rows as they lie in a journal: key set, step, values, ns since the attempt's moment, 8 bytes each."""
    steps = np.arange(shape.steps, dtype=np.int64)
    pauses = np.maximum(1, random.normal(STEP_US, JITTER_US, shape.steps)).astype(np.int64)
    falling = np.exp(-3.0 * steps / shape.steps)[:, None]
    values = falling * (1.0 + np.arange(shape.metrics)) + 0.05 * random.normal(size=(shape.steps, shape.metrics))
    if shape.float32:
        values = values.astype(np.float32).astype(np.float64)
    found = np.empty((shape.steps, shape.metrics + 3), dtype=np.int64)
    found[:, 0] = 1
    found[:, 1] = steps
    found[:, 2:-1] = values.view(np.int64)
    found[:, -1] = 1000 * np.cumsum(pauses)
    return found
