"""A store and a source that do as they are told, and a clock that never waits."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from clickhouse_connect.driver.exceptions import DatabaseError
from ingest_support import batches

from runstream_ingest.batch import Batch
from runstream_ingest.dead_letters import DeadLetter, DeadLetterDirectory
from runstream_ingest.deliver import Delivery
from runstream_ingest.isolate import Try
from runstream_ingest.observer import Observer
from runstream_ingest.poison import PoisonGuard
from runstream_ingest.sources.source import Message, Notice, Partition, Positions, Released
from runstream_schemas.avro import Schema, current

METRIC = current("metric")
PLACE = Partition("/log", "metric/a.avro")
BATCHES = batches(8, rows=2)


def error(code: int, text: str = "scripted") -> DatabaseError:
    return DatabaseError(f"Code: {code}. {text}", code=code)


class FakeClock:
    """Time passes only by waiting."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []
        self.on_wait: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float, stop: threading.Event) -> None:
        self.waits.append(seconds)
        self.now += seconds
        self.on_wait()


@dataclass
class FakeStore:
    """A Destination and an Inserter: answers inserts with scripted errors first, and refuses what it is told to."""

    script: list[Exception] = field(default_factory=list)
    refuses: Callable[[bytes], bool] = lambda datum: False
    attempts: list[tuple[bytes, ...]] = field(default_factory=list)
    stored: list[bytes] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    record_errors: list[Exception] = field(default_factory=list)

    @property
    def inserter(self) -> "FakeStore":
        return self

    def insert(self, table: str, schema: Schema, datums: Sequence[bytes]) -> None:
        assert table == "landing_metric"
        self.attempts.append(tuple(datums))
        if self.script:
            raise self.script.pop(0)
        self._check(datums)
        self.stored += datums

    @contextmanager
    def probe(self, schema: Schema) -> Iterator[Try]:
        yield self._check

    def record(self, letters: Sequence[DeadLetter]) -> None:
        if self.record_errors:
            raise self.record_errors.pop(0)
        self.letters += letters

    def close(self) -> None:
        pass

    def _check(self, datums: Sequence[bytes]) -> None:
        if any(self.refuses(datum) for datum in datums):
            raise error(469, "Constraint is violated")


@dataclass
class Bench:
    clock: FakeClock
    delivery: Delivery
    directory: DeadLetterDirectory


def bench_in(directory: Path) -> Bench:
    clock = FakeClock()
    letters = DeadLetterDirectory(directory / "dead")
    return Bench(clock, Delivery(letters, PoisonGuard(), clock, threading.Event(), Observer()), letters)


def batch(datums: Sequence[bytes]) -> Batch:
    made = Batch(METRIC, 0.0)
    for number, datum in enumerate(datums):
        made.add(Message(METRIC, datum, PLACE, number, number + 1))
    return made


class ListSource:
    """A Source that gives prepared messages and remembers commits."""

    def __init__(self, polls: list[list[Message]]) -> None:
        self.polls = polls
        self.commits: list[Positions] = []
        self.on_keep_alive: Callable[[], None] = lambda: None

    def listen(self, released: Released) -> None:
        self.released = released

    def poll(self, max_bytes: int, timeout_s: float) -> list[Message]:
        return self.polls.pop(0) if self.polls else []

    def commit(self, positions: Positions) -> None:
        self.commits.append(dict(positions))

    def keep_alive(self) -> None:
        self.on_keep_alive()

    def notices(self) -> list[Notice]:
        return []


def messages(datums: Sequence[bytes]) -> list[Message]:
    return batch(datums).messages
