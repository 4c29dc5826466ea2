"""What the loop tells of itself while it works; by default nobody listens."""

from __future__ import annotations

from runstream_ingest.batch import Batch
from runstream_ingest.sources.source import Partition


class Observer:
    """Receives the loop's events. Methods are called from several threads and must not raise."""

    def polled(self, messages: int, size: int) -> None:
        """Messages and their bytes came from the source."""

    def stored(self, batch: Batch, messages: int, points: int, age_s: float) -> None:
        """A batch is done: so many of its messages and their points are stored; it was opened `age_s` seconds ago."""

    def inserted(self, event: str, seconds: float, outcome: str) -> None:
        """One INSERT ended: outcome is ok, data, transient or fatal."""

    def retrying(self, code: int | None, delay_s: float) -> None:
        """The same batch is sent again after a pause."""

    def dead(self, event: str, messages: int, points: int) -> None:
        """Messages went to the dead letters."""

    def committed(self, partitions: int) -> None:
        """Positions of so many partitions were committed."""

    def commit_answered(self, error: str | None) -> None:
        """The broker answered a commit; None means that it took it."""

    def rebalanced(self, partitions: int) -> None:
        """The group's partitions were dealt anew; this worker has so many now."""

    def settled(self, waiting_since: float | None) -> None:
        """Batches were stored, or went to another worker; the oldest of the rest was opened then (monotonic)."""

    def lag(self, partition: Partition, messages: int | None) -> None:
        """So many messages wait in a partition; None when another worker reads it now."""

    def unknown_schema(self) -> None:
        """A partition waits for a newer version of runstream."""

    def turned(self) -> None:
        """The loop has gone round, or still waits for the store: it lives."""

    def noticed(self, kind: str) -> None:
        """The source has something to tell a person."""

    def renewed(self, runs: int, seconds: float) -> None:
        """So many runs were looked at, and their findings written down."""
