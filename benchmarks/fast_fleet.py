"""Filling a topic with messages of fast loggers, as a backlog would, or just ahead of whoever drains it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from confluent_kafka import Producer

from runstream.frames import encode_batch
from runstream_schemas import avro, kafka

from . import made_up_runs
from .slow_fleet import connected, run_ids

METRICS = 10
MOST_MESSAGES = 400_000
"""With one log call a message, a topic of 20 million points would take longer to write than it says anything."""
STEPS_A_DAY = 86_400
FLEET = 99
"""Its runs are none of the slow ones."""


@dataclass
class Filled:
    """What was written into the topic."""

    points: int = 0
    messages: int = 0
    bytes: int = 0


def number_of_messages(points: int, calls: int) -> int:
    """So many messages hold so many points, within reason."""
    return max(1, min(MOST_MESSAGES, points // (METRICS * calls)))


def fill(brokers: str, prefix: str, calls: int, messages: int) -> Filled:
    """Write metric messages of `calls` log calls of ten metrics, from runs that take turns."""
    producer = connected(brokers)
    filled = Filled()
    for round_ in _rounds(calls, messages):
        for key, value in round_:
            _produce(producer, f"{prefix}.metric", key, value)
            filled.messages += 1
            filled.bytes += len(value)
        producer.poll(0)
    if producer.flush(300):
        raise RuntimeError("the broker did not take everything")
    filled.points = filled.messages * calls * METRICS
    return filled


def keep_filling(
    brokers: str, prefix: str, calls: int, *, more: Callable[[int], bool], done: Callable[[], bool]
) -> None:
    """Write such messages without end, while `more(points sent)` wants them and until it is done."""
    producer = connected(brokers)
    sent = 0
    # As many as a topic of a day's run holds; then further runs begin.
    for block in itertools.count():
        for round_ in _rounds(calls, MOST_MESSAGES, FLEET + 1 + block):
            while not done() and not more(sent):
                time.sleep(0.2)
            if done():
                producer.flush(60)
                return
            for key, value in round_:
                _produce(producer, f"{prefix}.metric", key, value)
                sent += calls * METRICS
            producer.poll(0)


def _rounds(calls: int, messages: int, fleet: int = FLEET) -> Iterator[list[tuple[bytes, bytes]]]:
    """Keys and values: in each round, every run's next message."""
    names = ["train/loss", *(f"layer{number}/grad_norm" for number in range(METRICS - 1))]
    header = avro.current("metric").header
    # A run's series is as long as it would be: a day of steps at most, and a few runs at least.
    runs = max(8, messages * calls // STEPS_A_DAY)
    each = -(-messages // runs)
    shape = made_up_runs.Shape(1, METRICS, calls * each, calls, float32=True)
    rows = made_up_runs.rows(np.random.default_rng(1), shape)
    ids = run_ids(fleet, runs)
    left = messages
    for seq in range(each):
        part = rows[seq * calls : (seq + 1) * calls].tobytes()
        encoded = []
        for number, run_id in enumerate(ids[:left]):
            attempt = made_up_runs.FIRST_ATTEMPT + number
            datum = encode_batch(run_id, 0, attempt, seq, [(names, False, part)], 1000 * attempt)
            encoded.append((kafka.message_key(run_id, 0), header + datum))
        left -= len(encoded)
        yield encoded


def _produce(producer: Producer, topic: str, key: bytes, value: bytes) -> None:
    while True:
        try:
            producer.produce(topic, value, key)
            return
        except BufferError:
            producer.poll(0.01)
