"""What the loop asks of a source of events, whether a log directory or a topic."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from runstream_schemas.avro import Schema


class LogFailed(RuntimeError):
    """The event log cannot be used; the message says why and what to do."""


class Partition(NamedTuple):
    """A part of the log that is read in order: a file of a log directory, or a partition of a topic."""

    source: str
    """The log directory or the topic."""
    name: str
    """The file's path in the directory, or the number of the partition."""


class Origin(NamedTuple):
    """What a record of a topic carries beside its value."""

    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    time_ms: int
    """When the producer handed it to the broker, in milliseconds since the epoch."""


class Message(NamedTuple):
    """One event as it came, not decoded."""

    schema: Schema
    datum: bytes
    partition: Partition
    offset: int
    """Where it begins in its partition."""
    next: int
    """Where reading goes on once it is dealt with."""
    defect: str = ""
    """Why the source already knows that it cannot be stored; the datum then holds the damaged bytes."""
    origin: Origin | None = None
    """None when it comes from a log directory."""


class Notice(NamedTuple):
    """Something about a partition that a person should know; said once."""

    partition: Partition
    kind: str
    """foreign, unknown_schema, damaged, truncated, replaced, vanished, unreadable, expired, broker, or its error."""
    text: str


Positions = Mapping[Partition, int]
"""For each partition, the offset at which reading goes on after a restart."""


Released = Callable[[Collection[Partition], bool], None]
"""Called with partitions that another worker is about to get; True: it has them already."""


class Source(Protocol):
    """Events in order per partition. Called from one thread."""

    def listen(self, released: Released) -> None:
        """Call `released`, within `poll` or `keep_alive`, before partitions go to another worker."""

    def poll(self, max_bytes: int, timeout_s: float) -> list[Message]:
        """About `max_bytes` of new events, at least one if there is any; waits up to `timeout_s` for the first."""

    def commit(self, positions: Positions) -> None:
        """Everything before these positions is stored. May raise; the worst that follows is reading again."""

    def keep_alive(self) -> None:
        """Called about twice a second while all connections are busy and nothing can be taken."""

    def notices(self) -> list[Notice]:
        """What is new to say since the last call."""
