"""Arrays of Avro's longs, encoded many numbers at a time. Pure.

A long is its zig-zag number, 7 bits a byte, lowest first, the top bit set in all bytes but the last. Written one by one
these were most of what shipping costs, during which training waits for the interpreter's lock. Neighbouring steps and
times take equally many bytes, so LANES of them are encoded at once, as lanes of 64 bits of one great integer.
"""

from __future__ import annotations

import io
from typing import Final

import fastavro

from runstream_schemas.avro import encode_long

LANE_BYTES: Final = 8
LANES: Final = 256
"""Integers of 2 KiB stay in the nearest cache, and a few rows do not cost much more than one by one."""

LONGS: Final = fastavro.parse_schema({"type": "array", "items": "long"})
END: Final = b"\x00"
"""Avro closes the blocks of an array with a count of zero."""


def encode_longs(words: bytes, least: int, greatest: int) -> bytes:
    """Avro's array of long from numbers of 64 bits in this machine's order; the least and the greatest of them."""
    length = _encoded_bytes(greatest)
    if least < 0 or length > LANE_BYTES or length != _encoded_bytes(least):
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, LONGS, memoryview(words).cast("q").tolist())
        return buffer.getvalue()
    block = LANES * LANE_BYTES
    lanes = b"".join([_spread(words[start : start + block], length) for start in range(0, len(words), block)])
    return encode_long(len(words) // LANE_BYTES) + _first_bytes(lanes, length) + END


def _encoded_bytes(value: int) -> int:
    """How many bytes a number that is not negative takes."""
    return value.bit_length() // 7 + 1


def _in_all_lanes(lane: int) -> int:
    return int.from_bytes(lane.to_bytes(LANE_BYTES, "little") * LANES, "little")


_HALVINGS: Final = [
    (_in_all_lanes(0x0000_0000_0FFF_FFFF), _in_all_lanes(0x00FF_FFFF_F000_0000), 4),
    (_in_all_lanes(0x0000_3FFF_0000_3FFF), _in_all_lanes(0x0FFF_C000_0FFF_C000), 2),
    (_in_all_lanes(0x007F_007F_007F_007F), _in_all_lanes(0x3F80_3F80_3F80_3F80), 1),
]
"""From 56 bits side by side to 7 bits a byte, in three steps: which bits stay, which move up, and by how many bits."""

_MORE: Final = [_in_all_lanes(int.from_bytes(b"\x80" * below, "little")) for below in range(LANE_BYTES)]
"""The top bits of all bytes but the last, by the number of bytes before it."""


def _spread(words: bytes, length: int) -> bytes:
    """Each word, of less than 2^55, as the bytes of its encoding, padded to a whole lane."""
    lanes = int.from_bytes(words, "little") << 1
    for stay, move, by in _HALVINGS:
        lanes = (lanes & stay) | ((lanes & move) << by)
    return (lanes | _MORE[length - 1]).to_bytes(LANES * LANE_BYTES, "little")[: len(words)]


def _first_bytes(lanes: bytes, length: int) -> bytes:
    """The first bytes of each lane, without the padding."""
    if length == LANE_BYTES:
        return lanes
    packed = bytearray(len(lanes) // LANE_BYTES * length)
    for position in range(length):
        packed[position::length] = lanes[position::LANE_BYTES]
    return bytes(packed)
