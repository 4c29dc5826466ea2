"""From journal rows to the datum of a metric event. Pure.

A row is `key set, step, values…, time` in 8-byte words, so a column is every n-th word: it is copied out in C, and an
Avro array of doubles is its length and those very bytes. Only steps and times are encoded one by one (by fastavro).
"""

from __future__ import annotations

import io
from array import array
from collections.abc import Iterable, Sequence
from uuid import UUID

import fastavro

from runstream_schemas.avro import encode_long

_LONGS = fastavro.parse_schema({"type": "array", "items": "long"})
END = b"\x00"
"""Avro closes the blocks of an array with a count of zero."""


def encode_batch(
    run_id: UUID, rank: int, attempt: int, seq: int, frames: Sequence[tuple[Sequence[str], bool, bytes]]
) -> bytes:
    """The datum of a `metric` event.

    Each frame is (metric names, steps were counted by the producer, rows as they lie in the journal). Rows are brought
    into the order of (step, time) where they are not; they come in the order of time.
    """
    parts = [encode_text(str(run_id)), encode_long(rank), encode_long(attempt), encode_long(seq)]
    if frames:
        parts.append(encode_long(len(frames)))
        for names, automatic, rows in frames:
            parts.append(b"\x01" if automatic else b"\x00")
            parts += _encode_frame(names, rows)
    parts.append(END)
    return b"".join(parts)


def encode_text(text: str) -> bytes:
    """Avro's string: its length in bytes, and UTF-8."""
    content = text.encode()
    return encode_long(len(content)) + content


def _encode_frame(names: Sequence[str], rows: bytes) -> Iterable[bytes]:
    words = 3 + len(names)
    integers = memoryview(rows).cast("q")
    doubles = memoryview(rows).cast("d")
    steps = integers[1::words].tolist()
    times = integers[words - 1 :: words].tolist()
    order: list[int] | None = None
    if steps != sorted(steps):
        order = sorted(range(len(steps)), key=steps.__getitem__)
        steps = [steps[i] for i in order]
        times = [times[i] for i in order]
    count = encode_long(len(steps))
    yield _encode_longs(steps)
    yield _encode_longs(times)
    yield encode_long(len(names))
    for position, name in enumerate(names, start=2):
        column = doubles[position::words]
        yield encode_text(name)
        yield count
        yield column.tobytes() if order is None else array("d", map(column.tolist().__getitem__, order)).tobytes()
        yield END
    yield END


def _encode_longs(values: list[int]) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, _LONGS, values)
    return buffer.getvalue()
