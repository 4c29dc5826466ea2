"""Partitions that wait for a version of runstream that knows the schema of their next event."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runstream_ingest.clock import Clock
from runstream_ingest.sources.source import Partition


@dataclass
class _Waiting:
    since: float
    records: list[Any] = field(default_factory=list)


class Held:
    """Records of the partitions that wait, the first of each being why."""

    def __init__(self, clock: Clock, wait_s: float) -> None:
        self.wait_s = wait_s
        self._clock = clock
        self._waiting: dict[Partition, _Waiting] = {}

    def __contains__(self, partition: object) -> bool:
        return partition in self._waiting

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def keep(self, partition: Partition, record: Any) -> None:
        """Keep a record until its partition goes on; the first one begins the wait."""
        self._waiting.setdefault(partition, _Waiting(self._clock.monotonic())).records.append(record)

    def ripe(self) -> list[Partition]:
        """The partitions that have waited long enough."""
        now = self._clock.monotonic()
        return [partition for partition, held in self._waiting.items() if now - held.since >= self.wait_s]

    def take(self, partition: Partition) -> list[Any]:
        """The records of a partition that waits no longer; none if it did not."""
        held = self._waiting.pop(partition, None)
        return held.records if held is not None else []

    def clear(self) -> None:
        """Nothing waits: all of it is read again."""
        self._waiting.clear()
