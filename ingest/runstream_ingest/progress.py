"""Which position of each partition may be committed: the contiguous high-water mark.

Batches are made per schema and may be stored in another order than they were read. A position is safe when every
message before it is stored or a dead letter, that is, when no unfinished batch holds an earlier one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from runstream_ingest.batch import Batch
from runstream_ingest.sources.source import Message, Partition


class Progress:
    """Follows messages from being read to being stored."""

    def __init__(self) -> None:
        self._read: dict[Partition, int] = {}
        self._committed: dict[Partition, int] = {}
        self._changed: set[Partition] = set()

    def read(self, message: Message) -> None:
        """A message was taken from its source."""
        self._read[message.partition] = message.next

    def stored(self, batch: Batch) -> None:
        """All messages of a batch are stored or dead letters."""
        self._changed.update(batch.starts)

    def forget(self, partitions: Collection[Partition]) -> None:
        """Another worker has these partitions now. Assumes that unfinished batches have forgotten them, too."""
        for partition in partitions:
            self._read.pop(partition, None)
            self._committed.pop(partition, None)
            self._changed.discard(partition)

    def committable(self, unfinished: Iterable[Batch]) -> dict[Partition, int]:
        """The positions that have moved since the last call, given all batches that are not stored yet."""
        if not self._changed:
            return {}
        barriers: dict[Partition, int] = {}
        for batch in unfinished:
            for partition, start in batch.starts.items():
                barriers[partition] = min(start, barriers.get(partition, start))
        moved: dict[Partition, int] = {}
        for partition in self._changed:
            position = barriers.get(partition, self._read[partition])
            if position != self._committed.get(partition):
                moved[partition] = self._committed[partition] = position
        self._changed = set()
        return moved
