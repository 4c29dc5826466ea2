"""Thousands of slow loggers in one process: each run logs at its own pace and sends what it has once every linger.

Runs share one connection to the broker, as thousands of processes could not run here; what they send is made by the
producer's own encoder, keyed and timed as theirs would be. Started as a program: it sends until its time is over and
prints what it did.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import time
from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from uuid import UUID

from confluent_kafka import Producer

from runstream.frames import encode_batch
from runstream_schemas import avro, kafka

HEARTBEAT_S = 10.0
PROBE_METRIC = "train/loss"
VALUES = 1000
"""Values repeat after so many steps: making them up must not be what is measured."""


@dataclass
class SlowRun:
    """One run of the fleet; times are seconds since the fleet began."""

    run_id: UUID
    first_step_s: float
    next_beat_s: float
    steps: int = 0
    batches: int = 0

    @property
    def key(self) -> bytes:
        return kafka.message_key(self.run_id, 0)


@dataclass
class Sent:
    """What the fleet has sent."""

    points: int = 0
    bytes: int = 0
    messages: int = 0
    late_s: float = 0.0
    """How far it fell behind its own schedule."""
    undelivered: int = 0


@dataclass
class Fleet:
    """Runs that log every `step_s` and send every `linger_s`, each at moments of its own."""

    ids: Sequence[UUID]
    metrics: int
    step_s: float
    linger_s: float
    chatty_steps: int = 0
    """Log calls a second of the first run, which then is none of the slow ones; 0: it is."""
    began_ns: int = field(default_factory=time.time_ns)

    def __post_init__(self) -> None:
        self.attempt = self.began_ns // 1000
        self.names = [PROBE_METRIC, *(f"train/metric{number}" for number in range(self.metrics - 1))]
        noise = random.Random(1)
        self._values = [noise.random() for _ in range(VALUES + self.metrics)]
        self.runs = [SlowRun(i, noise.random() * self.step_s, noise.random() * HEARTBEAT_S) for i in self.ids]
        # Shippers wake up at any moment of a linger.
        self.due = [(noise.random() * self.linger_s, number) for number in range(len(self.runs))]
        heapq.heapify(self.due)

    def rows_until(self, run: SlowRun, now_s: float, step_s: float) -> bytes:
        """What a run has logged since it last sent, as it would lie in its journal."""
        data = bytearray()
        while (moment := run.first_step_s + run.steps * step_s) <= now_s:
            place = run.steps % VALUES
            data += array("q", [1, run.steps]).tobytes()
            data += array("d", self._values[place : place + self.metrics]).tobytes()
            data += array("q", [int(moment * 1e9)]).tobytes()
            run.steps += 1
        return bytes(data)

    def batch(self, number: int, now_s: float) -> bytes | None:
        """The next metric event of a run, None when it has logged nothing."""
        run = self.runs[number]
        step_s = 1 / self.chatty_steps if self.chatty_steps and number == 0 else self.step_s
        data = self.rows_until(run, now_s, step_s)
        if not data:
            return None
        run.batches += 1
        return encode_batch(run.run_id, 0, self.attempt, run.batches - 1, [(self.names, False, data)], self.began_ns)

    def heartbeat(self, run: SlowRun, now_s: float) -> bytes:
        """A status event with the ledger's counters."""
        logged = run.steps * self.metrics
        return avro.current("status").encode(
            {
                "run_id": str(run.run_id),
                "rank": 0,
                "attempt": self.attempt,
                "time": self.attempt + int(now_s * 1e6),
                "state": "running",
                "final": False,
                "last_step": run.steps - 1 if run.steps else None,
                "error": "",
                "logged": logged,
                "queued": logged,
                "dropped": {},
                "last_seq": run.batches - 1,
                "crash_safe": True,
            }
        )

    def send(self, producer: Producer, prefix: str, seconds: float) -> Sent:
        """Send for so long, on schedule."""
        header = avro.current("metric").header
        zero = time.monotonic()
        sent = Sent()
        while True:
            at, number = self.due[0]
            now = time.monotonic() - zero
            if now >= seconds:
                sent.undelivered = producer.flush(60)
                return sent
            producer.poll(0)
            if at > now:
                time.sleep(min(at - now, 0.005))
                continue
            sent.late_s = max(sent.late_s, now - at)
            heapq.heapreplace(self.due, (at + self.linger_s, number))
            run = self.runs[number]
            before = run.steps
            datum = self.batch(number, now)
            if datum is not None:
                producer.produce(f"{prefix}.metric", header + datum, run.key)
                sent.points += (run.steps - before) * self.metrics
                sent.bytes += len(datum)
                sent.messages += 1
            if now >= run.next_beat_s:
                run.next_beat_s += HEARTBEAT_S
                producer.produce(f"{prefix}.status", self.heartbeat(run, now), run.key)


def run_ids(fleet: int, runs: int) -> list[UUID]:
    """The ids of a fleet's runs."""
    return [UUID(int=(0x0193_5000 + fleet) << 96 | 0x7 << 76 | 0x8 << 60 | run) for run in range(runs)]


def connected(brokers: str) -> Producer:
    """A producer set up as a training process has it, but with room for a fleet."""
    producer = Producer(
        {
            "bootstrap.servers": brokers,
            "log_level": 0,
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 20,
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 1_000_000,
            "queue.buffering.max.kbytes": 262_144,
        }
    )
    producer.list_topics(timeout=10)
    return producer


def main() -> None:
    """Run one fleet."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--fleet", type=int, default=0)
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--metrics", type=int, default=10)
    parser.add_argument("--step-s", type=float, default=1.0)
    parser.add_argument("--linger-s", type=float, default=1.0)
    parser.add_argument("--chatty-steps", type=int, default=0)
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args()
    ids = run_ids(given.fleet, given.runs)
    producer = connected(given.brokers)
    fleet = Fleet(ids, given.metrics, given.step_s, given.linger_s, given.chatty_steps)
    print(json.dumps(asdict(fleet.send(producer, given.prefix, given.seconds))), flush=True)


if __name__ == "__main__":
    main()
