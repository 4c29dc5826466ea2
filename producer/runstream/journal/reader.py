"""Committed rows and events of a journal, in order, a stretch at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from . import layout
from .layout import WORD
from .ring import Ring

SYSTEM_PREFIX = "system/"
"""Group of the metrics that the producer itself logs, with Unix seconds as their step."""

ROW_OVERHEAD_BYTES = 18
"""Avro bytes of a row beside its values, at most: 10 for the step, 8 for the time until the year 2255."""
COLUMN_OVERHEAD_BYTES = 16
FRAME_OVERHEAD_BYTES = 40

FIRST_PROBE_ROWS = 8
"""Rows that are looked at together when a run of equal key sets begins; eight times more after each full probe."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """One set of metrics of a chunk."""

    names: tuple[str, ...]
    automatic: bool
    """The steps of its rows were counted by the producer."""
    header_bytes: int
    """Upper bound of what a frame of it costs beside its rows."""
    aside: bool
    """Only system metrics, whose steps are not the run's."""

    @property
    def words(self) -> int:
        """Words of a row."""
        return 3 + len(self.names)

    @property
    def row_bytes(self) -> int:
        """Upper bound of what a row costs on the wire."""
        return 8 * len(self.names) + ROW_OVERHEAD_BYTES


@dataclass(slots=True)
class Stretch:
    """What lies between two positions of one chunk."""

    start: int
    end: int
    rows: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """Byte ranges of whole rows, by key set number, in order of appearance."""
    events: list[bytes] = field(default_factory=list)
    points: int = 0
    bytes: int = 0
    last_step: int | None = None
    last_time: int = 0
    """Of its last row, in µs since the epoch."""

    def __bool__(self) -> bool:
        return bool(self.rows or self.events)


class ChunkReader:
    """Reads one chunk from its first record on. `key_sets` are those defined before `position`."""

    def __init__(self, ring: Ring, serial: int) -> None:
        self.serial = serial
        self._ring = ring
        self.key_sets: dict[int, KeySet] = {}
        self.position = ring.chunk_start(serial) + layout.CHUNK_HEADER_BYTES
        self._end = ring.chunk_start(serial) + ring.chunk_bytes
        self._bytes = memoryview(ring.buffer)
        self._words = self._bytes.cast("q")

    def close(self) -> None:
        """Let go of the buffer."""
        self._words.release()
        self._bytes.release()

    def take(self, limit: int | None = None, *, max_points: int = 2**62, max_bytes: int = 2**62) -> Stretch:
        """The next stretch: up to `limit` (default: the end of the chunk), at most so many points and message bytes.

        A single row may exceed the bounds. Reading stops before the first record that is not committed.
        """
        stop = self._end if limit is None else limit
        taken = Stretch(self.position, self.position)
        while self.position < stop:
            number = self._words[self.position >> 3]
            if number > 0:
                go_on = self._take_rows(number, stop, taken, max_points, max_bytes)
            elif number == layout.DEFINITION:
                go_on = self._take_blob(24, self._define)
            elif number == layout.EVENT:
                go_on = self._take_blob(16, lambda _, content: taken.events.append(content))
            else:
                break
            if not go_on:
                break
        taken.end = self.position
        return taken

    def rows(self, ranges: list[tuple[int, int]]) -> bytes:
        """The rows of some byte ranges, one after the other."""
        return b"".join([self._bytes[start:end] for start, end in ranges])

    def _take_rows(self, number: int, stop: int, taken: Stretch, max_points: int, max_bytes: int) -> bool:
        """Take the run of rows of one key set that begins here; False when the stretch ends before or in it."""
        keys = self.key_sets.get(number)
        if keys is None:
            return False
        new = number not in taken.rows
        by_points = (max_points - taken.points) // len(keys.names)
        by_bytes = (max_bytes - taken.bytes - (keys.header_bytes if new else 0)) // keys.row_bytes
        allowed = min(by_points, by_bytes, (stop - self.position) // (8 * keys.words))
        if allowed < 1:
            if taken or self.position + 8 * keys.words > stop:
                return False
            allowed = 1
        count = self._count_equal(number, keys.words, allowed)
        if count == 0:
            return False
        start = self.position
        self.position += 8 * keys.words * count
        ranges = taken.rows.setdefault(number, [])
        if ranges and ranges[-1][1] == start:
            ranges[-1] = (ranges[-1][0], self.position)
        else:
            ranges.append((start, self.position))
        taken.points += count * len(keys.names)
        taken.bytes += count * keys.row_bytes + (keys.header_bytes if new else 0)
        last = (self.position >> 3) - keys.words
        if not keys.aside:
            taken.last_step = self._words[last + 1]
        taken.last_time = self._ring.time_us(self._words[last + keys.words - 1])
        return True

    def _count_equal(self, number: int, words: int, most: int) -> int:
        """How many committed rows of this key set stand here one after the other, at most `most`."""
        first = self.position >> 3
        counted = 0
        probe = FIRST_PROBE_ROWS
        while counted < most:
            rows = min(probe, most - counted)
            start, end = first + counted * words, first + (counted + rows) * words
            numbers = self._words[start:end:words].tolist()
            times = self._words[start + words - 1 : end : words].tolist()
            if numbers.count(number) == rows and 0 not in times:
                counted += rows
                probe *= 8
                continue
            for found, time in zip(numbers, times, strict=True):
                if found != number or time == 0:
                    return counted
                counted += 1
        return counted

    def _take_blob(self, head: int, use: Callable[[int, bytes], None]) -> bool:
        word = self.position >> 3
        length = self._words[word + (2 if head == 24 else 1)]
        end = self.position + head + layout.padded(length)
        if not 0 <= length < self._end - self.position or WORD.unpack_from(self._bytes, end)[0] != layout.COMMITTED:
            return False
        use(self._words[word + 1], bytes(self._bytes[self.position + head : self.position + head + length]))
        self.position = end + 8
        return True

    def _define(self, number: int, content: bytes) -> None:
        automatic, names = orjson.loads(content)
        size = sum(len(name.encode()) + COLUMN_OVERHEAD_BYTES for name in names)
        aside = all(name.startswith(SYSTEM_PREFIX) for name in names)
        self.key_sets[number] = KeySet(tuple(names), automatic, size + FRAME_OVERHEAD_BYTES, aside)


def undelivered_points(ring: Ring) -> int:
    """Points in the journal that have not arrived. Raises ValueError when it was closed meanwhile."""
    last = ring.shipment(ring.delivered - 1) if ring.delivered else None
    serial = last.serial if last else ring.released + 1
    points = 0
    while ring.is_open(serial):
        reader = ChunkReader(ring, serial)
        if last and serial == last.serial:
            reader.take(last.end)
        points += reader.take().points
        reader.close()
        serial += 1
    return points
