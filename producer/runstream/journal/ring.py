"""The mapped file of a journal: chunks that are opened and released, counters, and the table of shipments."""

from __future__ import annotations

import fcntl
import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from . import layout
from .header import Header
from .layout import WORD

ZEROS: Final = bytes(64 * 1024)
"""Stay in the processor's cache: a chunk is zeroed in a third of the time that zeros of its size take."""


class NotAJournal(ValueError):
    """The file is no journal of this version."""


class InUse(Exception):
    """The journal's process is alive."""


@dataclass(frozen=True, slots=True)
class Shipment:
    """A stretch of the journal that leaves as one: at most one metric batch, and the events that lie between its rows.

    It is written down before it is sent, so that whoever ships the journal later cuts the same batches.
    """

    number: int
    serial: int
    start: int
    end: int
    seq: int
    """Number of its metric batch, -1 when it holds only events."""
    next_seq: int
    queued: int
    """Points accepted up to its end, all shipments together."""
    last_step: int | None
    last_time: int
    """Time in µs of the last row up to its end, 0 before the first."""


class Ring(Header):
    """A journal file mapped into memory, or the same ring in memory only. Not thread-safe: see writer and shipper.

    Chunks carry serials 1, 2, 3, …; a serial may be opened once all before it that lay in its place are released.
    """

    def __init__(self, buffer: mmap.mmap, *, path: Path | None, fd: int | None) -> None:
        super().__init__(buffer)
        self.path = path
        self._fd = fd
        _, _, chunk_bytes, chunk_count, attempt, rank, run_id = layout.IDENTITY.unpack_from(buffer, layout.AT_IDENTITY)
        self.chunk_bytes: int = chunk_bytes
        self.chunk_count: int = chunk_count
        self.attempt: int = attempt
        self.rank: int = rank
        self.run_id = UUID(bytes=run_id)

    @classmethod
    def create(
        cls, path: Path | None, *, size: int, run_id: UUID, rank: int, attempt: int, info: dict[str, Any]
    ) -> Ring:
        """Make a journal of `size` bytes at `path`, all of it allocated, or in memory when `path` is None.

        Raises OSError when the file cannot be made, locked, allocated or mapped; nothing is left behind then.

        The lock hangs on an opening of its own, not on the mapping's: a forked child can then let go of it.
        """
        chunk_count = max(2, (size - layout.CHUNKS_OFFSET) // layout.CHUNK_BYTES)
        size = layout.CHUNKS_OFFSET + chunk_count * layout.CHUNK_BYTES
        fd = None
        if path is None:
            buffer = _in_memory(size)
        else:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                _lock(fd)
                # A sparse file that meets a full disk later is a SIGBUS in the training process.
                os.posix_fallocate(fd, 0, size)
                buffer = _mapped(path, size)
            except (OSError, ValueError, OverflowError) as error:
                os.close(fd)
                path.unlink(missing_ok=True)
                raise error if isinstance(error, OSError) else OSError(str(error)) from error
        layout.IDENTITY.pack_into(
            buffer,
            layout.AT_IDENTITY,
            layout.MAGIC,
            layout.VERSION,
            layout.CHUNK_BYTES,
            chunk_count,
            attempt,
            rank,
            run_id.bytes,
        )
        ring = cls(buffer, path=path, fd=fd)
        ring.set_info(info)
        return ring

    @classmethod
    def recover(cls, path: Path) -> Ring:
        """Open the journal of a process that is gone, and hold it.

        Raises InUse while the process lives (or another one recovers it), NotAJournal, or OSError.
        """
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            try:
                _lock(fd)
            except OSError as error:
                raise InUse(f"{path} belongs to a living process") from error
            size = os.fstat(fd).st_size
            if size < layout.CHUNKS_OFFSET + layout.CHUNK_BYTES:
                raise NotAJournal(f"{path} is too short for a journal")
            buffer = _mapped(path, size)
            magic, version, chunk_bytes, count, *_ = layout.IDENTITY.unpack_from(buffer, layout.AT_IDENTITY)
            if magic != layout.MAGIC:
                raise NotAJournal(f"{path} is no journal")
            if version != layout.VERSION:
                raise NotAJournal(
                    f"{path} is a journal of version {version}, and this runstream reads version {layout.VERSION}: "
                    "ship it with the runstream that wrote it"
                )
            if chunk_bytes != layout.CHUNK_BYTES or size < layout.CHUNKS_OFFSET + count * chunk_bytes:
                raise NotAJournal(f"{path} is damaged: its size does not fit its header")
            return cls(buffer, path=path, fd=fd)
        except BaseException:
            os.close(fd)
            raise

    def chunk_start(self, serial: int) -> int:
        """Offset in the buffer where the chunk of this serial lies."""
        return layout.CHUNKS_OFFSET + (serial - 1) % self.chunk_count * self.chunk_bytes

    def can_open(self, serial: int) -> bool:
        """Whether the place of this serial is free."""
        return serial <= self.released + self.chunk_count

    def open_chunk(self, serial: int) -> int:
        """Mark the chunk as begun; returns the offset of its first record. Assumes `can_open(serial)`."""
        start = self.chunk_start(serial)
        WORD.pack_into(self.buffer, start, serial)
        return start + layout.CHUNK_HEADER_BYTES

    def is_open(self, serial: int) -> bool:
        """Whether the chunk of this serial was ever begun and not reused since."""
        return self.word(self.chunk_start(serial)) == serial

    @property
    def is_half_full(self) -> bool:
        """Whether more than half of the chunks are in use."""
        return self.is_open(self.released + self.chunk_count // 2 + 1)

    def release(self, serial: int) -> None:
        """Give the chunk back, zeroed. Assumes that all chunks before it are released."""
        start = self.chunk_start(serial)
        for piece in range(start, start + self.chunk_bytes, len(ZEROS)):
            self.buffer[piece : piece + len(ZEROS)] = ZEROS
        self.set_word(layout.AT_RELEASED, serial)

    def record(self, shipment: Shipment) -> None:
        """Write a shipment down, its number last. Assumes that fewer than SHIPMENT_SLOTS are on the way."""
        at = self._slot(shipment.number)
        WORD.pack_into(self.buffer, at, 0)
        layout.SHIPMENT.pack_into(
            self.buffer,
            at,
            0,
            shipment.serial,
            shipment.start,
            shipment.end,
            shipment.seq,
            shipment.next_seq,
            shipment.queued,
            shipment.last_step or 0,
            shipment.last_step is not None,
            shipment.last_time,
        )
        WORD.pack_into(self.buffer, at, shipment.number + 1)

    def shipment(self, number: int) -> Shipment | None:
        """The shipment of this number, or None when it was not written down."""
        fields = layout.SHIPMENT.unpack_from(self.buffer, self._slot(number))
        if fields[0] != number + 1:
            return None
        _, serial, start, end, seq, next_seq, queued, step, has_step, time = fields
        return Shipment(number, serial, start, end, seq, next_seq, queued, step if has_step else None, time)

    def close(self, *, remove: bool) -> None:
        """Unmap; remove the file when everything in it has arrived. May be called again, once views are released."""
        if remove and self.path is not None:
            self.path.unlink(missing_ok=True)
        try:
            self.buffer.close()
        except BufferError:
            pass  # a view of it is still held
        self.leave_to_parent()

    def leave_to_parent(self) -> None:
        """Let go of the lock: in a forked child, whose copy would outlive the parent."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _slot(self, number: int) -> int:
        return layout.SHIPMENTS_OFFSET + number % layout.SHIPMENT_SLOTS * layout.SHIPMENT.size


def _lock(fd: int) -> None:
    """Hold the file as long as this opening of it. Raises OSError when another one does.

    A POSIX lock would be lost when anything in this process, such as a copy of the directory, closes the file.
    """
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _mapped(path: Path, size: int) -> mmap.mmap:
    with path.open("r+b", buffering=0) as file:
        return mmap.mmap(file.fileno(), size)


def _in_memory(size: int) -> mmap.mmap:
    try:
        return mmap.mmap(-1, size)
    except (ValueError, OverflowError) as error:
        raise OSError(str(error)) from error
