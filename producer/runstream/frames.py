"""From journal rows to the datum of a metric event. Pure.

A row is `key set, step, values…, time` in 8-byte words, so a column is every n-th word: it is copied out in C, and an
Avro array of doubles is its length and those very bytes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from uuid import UUID

from runstream_schemas.avro import encode_long

from .longs import END, encode_longs

Frame = tuple[Sequence[str], bool, bytes]
"""Metric names, whether the producer counted the steps, rows as they lie in the journal."""


def encode_batch(run_id: UUID, rank: int, attempt: int, seq: int, frames: Sequence[Frame], clock_zero_ns: int) -> bytes:
    """The datum of a `metric` event.

    Rows are brought into the order of (step, time) where they are not; they come in the order of time, which is in ns
    since `clock_zero_ns`, itself in ns since the epoch.
    """
    parts = [encode_text(str(run_id)), encode_long(rank), encode_long(attempt), encode_long(seq)]
    if frames:
        parts.append(encode_long(len(frames)))
        for names, automatic, rows in frames:
            parts.append(b"\x01" if automatic else b"\x00")
            parts += _encode_frame(names, rows, clock_zero_ns)
    parts.append(END)
    return b"".join(parts)


def encode_text(text: str) -> bytes:
    """Avro's string: its length in bytes, and UTF-8."""
    content = text.encode()
    return encode_long(len(content)) + content


def _encode_frame(names: Sequence[str], rows: bytes, clock_zero_ns: int) -> Iterable[bytes]:
    words = 3 + len(names)
    integers = memoryview(rows).cast("q")
    doubles = memoryview(rows).cast("d")
    step_words = integers[1::words].tobytes()
    steps = memoryview(step_words).cast("q").tolist()
    times = [(time + clock_zero_ns) // 1000 for time in integers[words - 1 :: words].tolist()]
    first, last = times[0], times[-1]
    order: list[int] | None = None
    if steps != sorted(steps):
        order = sorted(range(len(steps)), key=steps.__getitem__)
        steps = [steps[i] for i in order]
        times = [times[i] for i in order]
        step_words = array("q", steps).tobytes()
    count = encode_long(len(steps))
    yield encode_longs(step_words, steps[0], steps[-1])
    yield encode_longs(array("q", times).tobytes(), first, last)
    yield encode_long(len(names))
    for position, name in enumerate(names, start=2):
        column = doubles[position::words]
        yield encode_text(name)
        yield count
        yield column.tobytes() if order is None else array("d", map(column.tolist().__getitem__, order)).tobytes()
        yield END
    yield END
