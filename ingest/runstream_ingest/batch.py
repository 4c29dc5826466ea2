"""Collecting messages until an insert is worth its cost."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from runstream_ingest.sources.source import Message, Partition
from runstream_schemas.avro import Schema

MAX_BATCH_BYTES: Final = 16 * 1024 * 1024
"""About 2 million points: enough for one large part per insert; two of them take about 1 GB in the store."""

MAX_BATCH_AGE_S: Final = 0.5
"""A point is visible within two seconds of log(); the producer's batching takes one of them."""


@dataclass
class Batch:
    """Messages of one schema, sent to the store in one insert."""

    schema: Schema
    opened_at: float
    """Monotonic seconds at which the first message came."""
    messages: list[Message] = field(default_factory=list)
    bytes: int = 0
    starts: dict[Partition, int] = field(default_factory=dict)
    """For each partition in it, the offset of its first message: nothing beyond may be committed before the insert."""

    oldest_ms: int = 0
    """When the oldest of its records was handed to the broker, in milliseconds since the epoch; 0 when unknown."""

    def add(self, message: Message) -> None:
        """Take one more message."""
        self.messages.append(message)
        self.bytes += len(message.datum)
        self.starts.setdefault(message.partition, message.offset)
        if message.origin is not None and not 0 < self.oldest_ms <= message.origin.time_ms:
            self.oldest_ms = message.origin.time_ms

    def forget(self, partitions: Collection[Partition]) -> None:
        """Another worker has these partitions: whether their messages get stored here matters to no commit."""
        for partition in partitions:
            self.starts.pop(partition, None)


class Batcher:
    """One open batch per schema; whoever calls says what time it is."""

    def __init__(self, max_bytes: int = MAX_BATCH_BYTES, max_age_s: float = MAX_BATCH_AGE_S) -> None:
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._open: dict[bytes, Batch] = {}

    def add(self, message: Message, now: float) -> Batch | None:
        """Take a message; the batch that it filled, if it did."""
        fingerprint = message.schema.fingerprint
        batch = self._open.get(fingerprint)
        if batch is None:
            batch = self._open[fingerprint] = Batch(message.schema, now)
        batch.add(message)
        return self._open.pop(fingerprint) if batch.bytes >= self._max_bytes else None

    def due(self, now: float) -> list[Batch]:
        """The batches that have waited long enough."""
        ripe = [key for key, batch in self._open.items() if now - batch.opened_at >= self._max_age_s]
        return [self._open.pop(key) for key in ripe]

    def drain(self) -> list[Batch]:
        """All open batches, whatever their age."""
        batches = list(self._open.values())
        self._open.clear()
        return batches

    def drop(self, partitions: Collection[Partition]) -> None:
        """Drop the messages of partitions that another worker reads again."""
        for key, batch in list(self._open.items()):
            kept = Batch(batch.schema, batch.opened_at)
            for message in batch.messages:
                if message.partition not in partitions:
                    kept.add(message)
            if kept.messages:
                self._open[key] = kept
            else:
                del self._open[key]

    def open_batches(self) -> list[Batch]:
        """The batches still being filled."""
        return list(self._open.values())

    @property
    def bytes(self) -> int:
        """Bytes of all open batches."""
        return sum(batch.bytes for batch in self._open.values())
