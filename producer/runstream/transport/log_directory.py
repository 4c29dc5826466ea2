"""The event log as a directory: Avro Object Container Files that only grow, each written by one process alone.

`<root>/<event>/<run id>.<rank>.<attempt>.<nnnn>.avro`; one block a message. No locks, so it works on NFS. A block that
was cut off by a kill is truncated or left behind in a closed segment, and its shipment is written again from the
journal.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import fastavro

from runstream_schemas.avro import current, encode_long

from ..batches import Message
from .base import Backlog, TransportDown

SEGMENT_BYTES = 256 * 1024 * 1024
"""A new segment begins when one is this long: a reader or a copy that fails begins again at most here."""
SYNC_MARKER_BYTES = 16


@dataclass(slots=True)
class Segment:
    """An open file and what it takes to append to it."""

    path: Path
    fd: int
    marker: bytes
    size: int
    """Bytes of whole blocks."""


class LogDirectory:
    """Transport into a log directory. Directories and files are made when the first message of their kind comes.

    `fsync` True: every shipment is on the disk before it counts as delivered (for network file systems, which report
    a full disk only then). False: it is the kernel's, which survives the process but not the machine.
    """

    def __init__(
        self,
        root: Path,
        *,
        run_id: UUID,
        rank: int,
        attempt: int,
        fsync: bool = False,
        segment_bytes: int = SEGMENT_BYTES,
        write: Callable[[int, memoryview], int] = os.write,
    ) -> None:
        self._root = root
        self._stem = f"{run_id}.{rank}.{attempt}"
        self._fsync = fsync
        self._segment_bytes = segment_bytes
        self._write = write
        self._segments: dict[str, Segment] = {}
        self._acknowledged = 0

    @property
    def full(self) -> bool:
        """Never: what is sent has arrived."""
        return False

    @property
    def backlog(self) -> Backlog | None:
        """Nothing."""
        return None

    @property
    def trouble(self) -> str:
        """None beside what `send` raises."""
        return ""

    def send(self, number: int, messages: Sequence[Message]) -> None:
        """Append the messages; they are delivered when this returns."""
        try:
            self.append(messages)
        except OSError as error:
            raise TransportDown(f"cannot write to log directory {self._root}: {error.strerror or error}") from error
        self._acknowledged = number + 1

    def append(self, messages: Sequence[Message]) -> None:
        """Append the messages, whatever they belong to. Raises OSError, and then some of them may be there."""
        by_event: dict[str, list[bytes]] = {}
        for message in messages:
            by_event.setdefault(message.event, []).append(message.datum)
        for event, datums in by_event.items():
            self._append(event, datums)

    def segment(self, event: str) -> Path | None:
        """The file that the last message of an event went to, while it is open."""
        segment = self._segments.get(event)
        return segment.path if segment else None

    def acknowledged(self, timeout_s: float) -> int:
        """All that was sent."""
        return self._acknowledged

    def seal(self) -> None:
        """Close all segments."""
        self.close()

    def leave_to_parent(self) -> None:
        """There is no lock."""

    def close(self) -> None:
        """Close all segments; a later message begins new ones."""
        for event in list(self._segments):
            self._close_segment(event)

    def _append(self, event: str, datums: list[bytes]) -> None:
        segment = self._segments.get(event)
        if segment is not None and (segment.size >= self._segment_bytes or os.fstat(segment.fd).st_nlink == 0):
            # No link is left when somebody removed the directory under us: what we wrote there is gone.
            self._close_segment(event)
            segment = None
        if segment is None:
            segment = self._open_segment(event)
        content = b"".join(_blocks(datums, segment.marker))
        if segment.size == 0:
            content = _file_header(event, segment.marker) + content
        try:
            written = 0
            view = memoryview(content)
            while written < len(content):
                written += self._write(segment.fd, view[written:])
            if self._fsync:
                os.fsync(segment.fd)
                if segment.size == 0:
                    _sync_names(segment.path.parent)
        except OSError:
            self._abandon(event, segment)
            raise
        segment.size += len(content)

    def _open_segment(self, event: str) -> Segment:
        directory = self._root / event
        directory.mkdir(parents=True, exist_ok=True)
        number = 0
        while True:
            path = directory / f"{self._stem}.{number:04d}.avro"
            try:
                fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
            except FileExistsError:
                number += 1
                continue
            segment = Segment(path, fd, os.urandom(SYNC_MARKER_BYTES), 0)
            self._segments[event] = segment
            return segment

    def _abandon(self, event: str, segment: Segment) -> None:
        """Cut off what was written of a block, and begin a new segment next time.

        A file without a block is removed: each retry on a full disk would leave one more.
        """
        try:
            if segment.size == 0:
                segment.path.unlink(missing_ok=True)
            else:
                os.ftruncate(segment.fd, segment.size)
        except OSError:
            pass  # readers take the rest for a torn tail
        self._close_segment(event)

    def _close_segment(self, event: str) -> None:
        segment = self._segments.pop(event)
        try:
            os.close(segment.fd)
        except OSError:
            pass  # an error of earlier writes: with fsync they were reported, without it they are the kernel's


def _sync_names(directory: Path) -> None:
    """Force a new file's name, and that of its directory, to the disk: bytes without a name are lost."""
    for folder in (directory, directory.parent):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _file_header(event: str, marker: bytes) -> bytes:
    buffer = io.BytesIO()
    fastavro.writer(buffer, current(event).parsed, [], codec="null", sync_marker=marker)
    return buffer.getvalue()


def _blocks(datums: list[bytes], marker: bytes) -> Iterable[bytes]:
    one = encode_long(1)
    for datum in datums:
        yield one
        yield encode_long(len(datum))
        yield datum
        yield marker
