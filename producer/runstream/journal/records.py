"""Records one after the other in the chunks of a ring: where the next one stands, key sets, events."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from . import layout
from .layout import RECORD_HEAD, WORD
from .ring import Ring
from .rows import RowWriters


class RecordWriter:
    """Puts records into a ring. Not thread-safe.

    `position` is where the next record will stand: all records before it are complete. The shipper reads it while
    records are written.
    """

    __slots__ = (
        "_counted_apart",
        "_key_sets",
        "_on_chunk",
        "_serial",
        "auto_rows",
        "buffer",
        "chunk",
        "position",
        "ring",
        "rows",
    )

    def __init__(self, *, counted_apart: bool, on_chunk: Callable[[], None]) -> None:
        """Rows whose steps are counted get key sets of their own if `counted_apart`. `on_chunk()`: a chunk is full."""
        self._counted_apart = counted_apart
        self._on_chunk = on_chunk
        self.position: int = 0
        self.forget_key_sets()

    def open_ring(self, ring: Ring) -> None:
        """Begin the first chunk of a new ring."""
        self.ring = ring
        # Packing into a view costs half of packing into the mmap object itself.
        self.buffer = memoryview(ring.buffer)
        self._begin_chunk(1)

    def forget_key_sets(self) -> None:
        """Know no key set: the next row of each is preceded by its definition, under a new number."""
        self.rows = RowWriters()
        self.auto_rows = RowWriters() if self._counted_apart else self.rows

    def make_room(self, size: int) -> bool:
        """Open the next chunk when this one has no room for so many bytes; False when the journal is full."""
        if self.position + size <= len(self.chunk):
            return True
        if not self.ring.can_open(self._serial + 1):
            return False
        self._begin_chunk(self._serial + 1)
        self._on_chunk()
        return True

    def define(self, names: tuple[str, ...], *, automatic: bool) -> None:
        """Write the definition of a key set. Assumes that there is room."""
        self._key_sets += 1
        content = orjson.dumps([automatic, names])
        start = self.position
        size = 32 + layout.padded(len(content))
        self.buffer[start + 24 : start + 24 + len(content)] = content
        RECORD_HEAD.pack_into(self.buffer, start, layout.DEFINITION, self._key_sets, len(content))
        WORD.pack_into(self.buffer, start + size - 8, layout.COMMITTED)
        self.position = start + size
        (self.auto_rows if automatic else self.rows).add(self._key_sets, names)

    def put_event(self, message: bytes) -> bool:
        """Write an encoded event; False when it has no room."""
        size = 24 + layout.padded(len(message))
        if size > self.ring.chunk_bytes // 2 or not self.make_room(size):
            return False
        start = self.position
        self.buffer[start + 16 : start + 16 + len(message)] = message
        first_word = WORD.unpack_from(self.buffer, start + 16)[0]
        RECORD_HEAD.pack_into(self.buffer, start, layout.EVENT, len(message), first_word)
        WORD.pack_into(self.buffer, start + size - 8, layout.COMMITTED)
        self.position = start + size
        return True

    def let_go(self) -> None:
        """Release the ring's memory: nothing can be written any more."""
        self.chunk.release()
        self.buffer.release()

    def _begin_chunk(self, serial: int) -> None:
        # The view ends where the chunk does, so that a row that does not fit is refused by its packing. A word of
        # zeros stays behind the last record, so that the position never reaches the next chunk.
        view = self.buffer[: self.ring.chunk_start(serial) + self.ring.chunk_bytes - 8]
        # A signal handler may raise at any of these lines. Nothing fits until all of them are done, and then the same
        # chunk is opened again: the one before counts as complete from the moment this one is open.
        self.chunk = self.buffer[:0]
        self.forget_key_sets()
        self._key_sets = 0
        self.position = self.ring.open_chunk(serial)
        self._serial = serial
        self.chunk = view
