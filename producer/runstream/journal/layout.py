"""What stands where in a journal file. All numbers are 8-byte little-endian and aligned.

    0            header: identity, progress, counters, end state, how to ship
    4096         table of shipments, slot = number % SHIPMENT_SLOTS
    24576        chunks; the chunk with serial s lies in place (s - 1) % chunk count

A chunk begins with its serial and holds records one after the other, zeros after the last one. The first word of a
record tells its kind:

    n > 0        a row of key set n of this chunk: n, step, one double a metric, time in ns of the attempt's clock
    DEFINITION   a key set: DEFINITION, number, length, JSON padded to 8 bytes, COMMITTED
    EVENT        an encoded message: EVENT, length, bytes padded to 8 bytes, COMMITTED

The last word of a record is written last and is never zero, and a chunk is zeroed before it is used: a record whose
last word is zero was being written when the process died, and does not exist.
"""

from __future__ import annotations

import struct
from typing import Final

MAGIC: Final = b"RSJRNL01"
VERSION: Final = 2
"""Raised when the meaning of a field changes: a journal of another version is refused, never misread."""

CHUNK_BYTES: Final = 2 * 1024 * 1024
"""Holds two events of the greatest size and some 200,000 points; what a full ring can reuse at once."""

CHUNKS_OFFSET: Final = 24_576
SHIPMENTS_OFFSET: Final = 4_096
SHIPMENT_SLOTS: Final = 256
"""More than can be on the way at any time: a shipper keeps at most MAX_IN_FLIGHT of them."""

CHUNK_HEADER_BYTES: Final = 8
DEFINITION: Final = -1
EVENT: Final = -2
COMMITTED: Final = 1

WORD: Final = struct.Struct("<q")
RECORD_HEAD: Final = struct.Struct("<qqq")
SHIPMENT: Final = struct.Struct("<10q")
"""number + 1, serial, start, end, seq or -1, next seq, points queued so far, last step, has a step, last time."""

AT_IDENTITY: Final = 0
IDENTITY: Final = struct.Struct("<8s5q16s")
"""magic, version, chunk bytes, chunk count, attempt, rank, run id."""
AT_DELIVERED: Final = 64
"""Shipments below this number are at the event log."""
AT_RELEASED: Final = 72
"""Chunks up to this serial are free."""
AT_STATE: Final = 80
"""Index into STATES."""
AT_STATUS_TIME: Final = 88
"""Time of the newest status event that may have been sent."""
AT_DROPPED: Final = 96
"""One counter for each of DROP_REASONS."""
AT_CLOCK_ZERO: Final = 184
"""When the attempt's clock stood at zero, in ns since the epoch: the writer leaves the sum to the shipper."""
AT_ERROR: Final = 192
ERROR_BYTES: Final = 1024
AT_INFO: Final = 1_280
INFO_BYTES: Final = SHIPMENTS_OFFSET - AT_INFO - 8

STATES: Final = ("running", "finished", "failed", "killed")
DROP_REASONS: Final = ("value", "name", "step", "full", "closed", "error")
"""Why a point is not accepted: no number; a bad metric name; a bad step; journal full; logged after finish; a bug."""


def padded(length: int) -> int:
    """The length rounded up to whole words."""
    return (length + 7) & ~7


def row_struct(metrics: int) -> struct.Struct:
    """The layout of a row of so many metrics: key set, step, values, time."""
    return struct.Struct(f"<qq{metrics}dq")
