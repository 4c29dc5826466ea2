"""Is a datum whole? A walk over its bytes that decodes nothing it need not.

The store's Avro reader silently ignores bytes after a datum, so a datum with trailing bytes, or a newer one under an
old fingerprint, would be stored as its beginning. The walk costs about 13 µs for 1,000 points in 10 columns;
decoding them 1.6 ms. Whether the content makes sense is for the landing table's constraints.
"""

from __future__ import annotations

import io
import re
from functools import lru_cache
from typing import Final, NamedTuple
from uuid import UUID

import fastavro

from runstream_schemas.avro import Schema, decode_long, encode_long


class Malformed(ValueError):
    """The bytes are no datum of their schema, or more than one; the message says why."""


class Identity(NamedTuple):
    """Who sent an event, as far as its bytes can be read."""

    run_id: UUID
    rank: int
    attempt: int
    seq: int
    """Number of the batch; -1 for events that are not metrics."""


NOBODY: Final = Identity(UUID(int=0), 0, 0, -1)


def check(schema: Schema, datum: bytes) -> int:
    """The points in a datum, 0 for events other than metrics. Raises Malformed."""
    if schema.event == "metric":
        return _metric_points(datum)
    stream = io.BytesIO(datum)
    try:
        fastavro.schemaless_reader(stream, schema.parsed, None)
    except UnicodeDecodeError as error:
        raise Malformed(f"a text in it is not UTF-8: {error.object[:40]!r}") from error
    except (EOFError, ValueError, IndexError, OverflowError, MemoryError) as error:
        raise Malformed(f"it ends early or is damaged: {error or type(error).__name__}") from error
    if stream.tell() != len(datum):
        raise Malformed(f"{len(datum) - stream.tell()} bytes follow the event")
    return 0


def identity(schema: Schema, datum: bytes) -> Identity:
    """The sender of a datum, also of a damaged one: every event begins with run_id, rank and attempt."""
    try:
        length, at = decode_long(datum, 0)
        run_id = UUID(datum[at : at + length].decode("ascii"))
        rank, at = decode_long(datum, at + length)
        attempt, at = decode_long(datum, at)
        seq = decode_long(datum, at)[0] if schema.event == "metric" else -1
    except (IndexError, ValueError):
        return NOBODY
    if not (0 <= rank < 2**31 and 0 <= attempt < 2**62 and -1 <= seq < 2**62):
        return NOBODY
    return Identity(run_id, rank, attempt, seq)


def declared_points(schema: Schema, datum: bytes) -> int:
    """The points of a refused datum for the ledger, 0 when it cannot be read."""
    try:
        return check(schema, datum)
    except Malformed:
        return 0


def _metric_points(datum: bytes) -> int:
    """Walk over run_id, rank, attempt, seq and the frames of metric.avsc."""
    try:
        length, at = decode_long(datum, 0)
        at = _forward(datum, at, length)
        for _ in range(3):
            _, at = decode_long(datum, at)
        points = 0
        frames, at = _items(datum, at)
        while frames:
            for _ in range(frames):
                in_frame, at = _frame_points(datum, at)
                points += in_frame
            frames, at = _items(datum, at)
    except IndexError:
        raise Malformed("it ends early") from None
    except ValueError as error:
        raise Malformed(str(error)) from None
    if at != len(datum):
        raise Malformed(f"{len(datum) - at} bytes follow the event")
    return points


def _frame_points(datum: bytes, at: int) -> tuple[int, int]:
    at = _forward(datum, at, 1)  # auto_steps
    rows = 0
    for _ in range(2):  # steps, times
        count, at = _items(datum, at)
        while count:
            rows = count
            at = _longs(datum, at, count)
            count, at = _items(datum, at)
    points = 0
    before, after = encode_long(rows), 8 * rows
    columns, at = _items(datum, at)
    while columns:
        for _ in range(columns):
            # Nearly always: a name under 64 bytes, then all values in one block as long as steps.
            values = at + 1 + (datum[at] >> 1)
            end = values + len(before) + after
            if datum[at] & 0x81 == 0 and datum.startswith(before, values) and datum[end : end + 1] == b"\x00" and rows:
                at = end + 1
                points += rows
            else:
                in_column, at = _column_points(datum, at)
                points += in_column
        columns, at = _items(datum, at)
    return points, at


def _column_points(datum: bytes, at: int) -> tuple[int, int]:
    length, at = decode_long(datum, at)
    points = 0
    count, at = _items(datum, _forward(datum, at, length))
    while count:
        at = _forward(datum, at, 8 * count)
        points += count
        count, at = _items(datum, at)
    return points, at


def _items(datum: bytes, at: int) -> tuple[int, int]:
    """Number of items in an array's next block, 0 at the array's end, and where they begin."""
    byte = datum[at]
    if byte & 0x81 == 0:
        return byte >> 1, at + 1
    count, at = decode_long(datum, at)
    if count < 0:
        # A negative count is followed by the size of the block in bytes.
        _, at = decode_long(datum, at)
        count = -count
    if count > len(datum):
        raise ValueError("an array claims more items than the event has bytes")
    return count, at


def _longs(datum: bytes, at: int, count: int) -> int:
    """Where `count` longs end."""
    while count:
        some = min(count, _MAX_REPEAT)
        match = _pattern(some).match(datum, at)
        if match is None:
            raise IndexError
        at = match.end()
        count -= some
    return at


_MAX_REPEAT: Final = 65_000
"""Bounds the size of a regular expression's repetition."""


@lru_cache(maxsize=1024)
def _pattern(count: int) -> re.Pattern[bytes]:
    # Every byte but a number's last has its high bit set.
    return re.compile(rb"(?:[\x80-\xff]{0,9}+[\x00-\x7f]){%d}" % count)


def _forward(datum: bytes, at: int, length: int) -> int:
    end = at + length
    if length < 0:
        raise ValueError("a negative length")
    if end > len(datum):
        raise IndexError
    return end
