"""One batch into the store, whatever happens: the state machine of a delivery.

    inspect ──▶ insert ──ok──▶ put the bad aside ──▶ stored
                  │ ▲
       data error │ └── again without culprits, or the identical batch after a pause
                  ▼
               isolate ──none found──▶ it was transient

Transient and unknown errors repeat the identical batch for ever (or for `give_up_s`); fatal ones stop the worker.
Tests: tests/ingest/test_deliver.py.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

from runstream_ingest import isolate, shape
from runstream_ingest.backoff import Backoff
from runstream_ingest.batch import Batch
from runstream_ingest.clock import Clock
from runstream_ingest.dead_letters import DeadLetter, DeadLetters, dead_letter
from runstream_ingest.errors import ErrorClass, classify, code_of, reason
from runstream_ingest.observer import Observer
from runstream_ingest.poison import Poisoned, PoisonGuard
from runstream_ingest.sink import Inserter
from runstream_ingest.sources.source import LogFailed, Message
from runstream_schemas.avro import Schema, landing_table

SAY_FROM_S: Final = 1.0
"""A pause before the next attempt that is worth a line: shorter ones are the first of a blip."""


class FatalStoreError(RuntimeError):
    """Schema or rights of the store are wrong."""


class StoreKeepsFailing(RuntimeError):
    """The store failed for longer than the caller wanted to wait; the batch will be read again."""


class Stopped(RuntimeError):
    """The worker was told to stop in the middle of a delivery; the batch will be read again."""


class Destination(Protocol):
    """What a delivery needs of the store, one per inserting thread."""

    @property
    def inserter(self) -> Inserter:
        """Inserts batches."""

    def probe(self, schema: Schema) -> AbstractContextManager[isolate.Try]:
        """A probe of the landing table of a schema."""

    def record(self, letters: Sequence[DeadLetter]) -> None:
        """Write rows of table dead_letter."""

    def close(self) -> None:
        """Give the connections back."""


@dataclass
class Delivered:
    """What became of a batch."""

    batch: Batch
    points: int
    letters: list[DeadLetter] = field(default_factory=list)


@dataclass
class Delivery:
    """Delivers batches; shared by all inserting threads."""

    dead_letters: DeadLetters
    guard: PoisonGuard
    clock: Clock
    stop: threading.Event
    observer: Observer
    give_up_s: float | None = None
    """Seconds of failing after which StoreKeepsFailing is raised; None means never."""
    on_trouble: Callable[[str], None] = lambda text: None
    """Told why the same batch is sent again, once that has gone on for a while; may be called by several threads."""
    aborted: bool = False
    """Set when another delivery has failed for good: retrying any longer would only delay the end."""

    def deliver(self, batch: Batch, destination: Destination) -> Delivered:
        """Return when every message is stored or a dead letter.

        Raises Poisoned, FatalStoreError, StoreKeepsFailing or Stopped.
        """
        good, bad, points = _inspect(batch.messages)
        self._check_share(batch, bad)
        backoff = Backoff()
        deadline = None if self.give_up_s is None else self.clock.monotonic() + self.give_up_s
        while True:
            try:
                if good:
                    self._insert(batch, good, destination)
                break
            except Exception as error:
                found = self._culprits(error, batch, good, len(bad), destination)
                if found:
                    bad += [(good[index], code_of(why) or 0, reason(why)) for index, why in found.items()]
                    self._check_share(batch, bad)
                    points -= sum(shape.declared_points(batch.schema, good[index].datum) for index in found)
                    good = [message for index, message in enumerate(good) if index not in found]
                else:
                    self._pause(error, backoff, deadline)
        self.guard.count(len(batch.messages), len(bad))
        letters = self._put_aside(bad, destination, deadline) if bad else []
        self.observer.stored(batch, len(good), points, self.clock.monotonic() - batch.opened_at)
        return Delivered(batch, points, letters)

    def _insert(self, batch: Batch, good: list[Message], destination: Destination) -> None:
        began = self.clock.monotonic()
        outcome = "ok"
        try:
            table = landing_table(batch.schema.event)
            destination.inserter.insert(table, batch.schema, [message.datum for message in good])
        except Exception as error:
            outcome = classify(error).name.lower()
            raise
        finally:
            self.observer.inserted(batch.schema.event, self.clock.monotonic() - began, outcome)

    def _culprits(
        self, error: Exception, batch: Batch, good: list[Message], known: int, destination: Destination
    ) -> dict[int, Exception]:
        """Who is to blame for a failed insert; nobody when it was the store's own trouble."""
        kind = classify(error)
        if kind is ErrorClass.FATAL:
            raise FatalStoreError(reason(error)) from error
        if kind is ErrorClass.TRANSIENT:
            return {}
        limit = max(self.guard.limit(len(batch.messages)) - known, 0)
        try:
            with destination.probe(batch.schema) as attempt:
                return isolate.culprits([message.datum for message in good], attempt, limit)
        except isolate.TooManyCulprits as why:
            raise Poisoned(f"{why}; the store says: {reason(error)[:300]}") from error
        except Exception as other:
            if classify(other) is ErrorClass.FATAL:
                raise FatalStoreError(reason(other)) from other
            return {}

    def _put_aside(self, bad: Sequence[Refused], destination: Destination, deadline: float | None) -> list[DeadLetter]:
        letters = [dead_letter(message, code, why) for message, code, why in bad]
        backoff = Backoff()
        kept = False
        while True:
            try:
                if not kept:
                    self.dead_letters.put([(letter, item[0]) for letter, item in zip(letters, bad, strict=True)])
                    kept = True
                destination.record(letters)
                break
            except Exception as error:
                if classify(error) is ErrorClass.FATAL:
                    raise FatalStoreError(reason(error)) from error
                self._pause(error, backoff, deadline)
        self.observer.dead(letters[0].event, len(letters), sum(letter.points for letter in letters))
        return letters

    def _pause(self, error: Exception, backoff: Backoff, deadline: float | None) -> None:
        delay = backoff.next_s()
        if deadline is not None and self.clock.monotonic() + delay > deadline:
            raise StoreKeepsFailing(_failing(error)) from error
        self.observer.retrying(code_of(error), delay)
        if deadline is None and delay >= SAY_FROM_S:
            self.on_trouble(f"{_failing(error)}; trying again in {delay:.1f} s")
        self.clock.wait(delay, self.stop)
        if self.stop.is_set() or self.aborted:
            raise Stopped(f"stopped while the store was failing: {reason(error)}") from error

    def _check_share(self, batch: Batch, bad: Sequence[Refused]) -> None:
        if len(bad) > self.guard.limit(len(batch.messages)):
            raise Poisoned(
                f"{len(bad)} of {len(batch.messages)} {batch.schema.event} events are refused, the first one because: "
                f"{bad[0][2][:300]}. Nothing was put aside; look at the producers' and the store's versions"
            )


def _failing(error: Exception) -> str:
    return reason(error) if isinstance(error, LogFailed) else f"the store keeps failing: {reason(error)}"


Refused = tuple[Message, int, str]
"""A message, the store's error code (0 when the worker found out), and why."""


def _inspect(messages: Sequence[Message]) -> tuple[list[Message], list[Refused], int]:
    """Sort out what is certainly bad; the rest with its number of points."""
    good: list[Message] = []
    bad: list[Refused] = []
    points = 0
    for message in messages:
        try:
            if message.defect:
                raise shape.Malformed(message.defect)
            points += shape.check(message.schema, message.datum)
        except shape.Malformed as error:
            bad.append((message, 0, str(error)))
        else:
            good.append(message)
    return good, bad, points
