"""Avro Object Container Files, as far as the pipeline needs them: no datum is ever decoded here.

A file is a header (magic, metadata, a random 16-byte sync marker) and blocks (count, size, data, sync marker); see the
Avro specification, "Object Container Files". Segments of a log directory and the batches sent to the store are both
such files, so a worker only takes blocks apart and puts them together again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from runstream_schemas.avro import decode_long, encode_long

MAGIC: Final = b"Obj\x01"
SYNC_BYTES: Final = 16

MAX_BLOCK_BYTES: Final = 64 * 1024 * 1024
"""A size above it is damage: events are at most 0.9 MB, and 64 times that leaves room for files of other writers."""

MAX_HEADER_BYTES: Final = 1024 * 1024
"""A header that is still incomplete after 1 MiB is none: schemas are a few kB."""


class NotContainerFile(ValueError):
    """The bytes are no Avro container file, or not one that this pipeline writes; the message says why."""


@dataclass(frozen=True)
class Header:
    """What stands at the beginning of a container file."""

    schema_text: str
    sync: bytes
    """The marker after every block."""
    size: int
    """Bytes of the header: where the first block begins."""


class Block(NamedTuple):
    """One complete block; offsets count from the beginning of the scanned bytes."""

    start: int
    end: int
    """Just after its sync marker."""
    datums: int
    """How many events it holds."""
    data: bytes


class Gap(NamedTuple):
    """Damaged bytes between two places where blocks can be read."""

    start: int
    end: int


class Tail(Enum):
    """What follows the last complete block."""

    CLEAN = "nothing"
    TORN = "the beginning of a block: still being written, or its writer died"
    DAMAGED = "bytes that are no block, with no sync marker after them yet"


class Scan(NamedTuple):
    """The blocks and gaps of some bytes, in order."""

    parts: list[Block | Gap]
    end: int
    """Where to go on when more bytes are there."""
    tail: Tail


class _Incomplete(Exception):
    """The bytes end inside a number."""


def header(schema_text: str, sync: bytes) -> bytes:
    """The header of a file without compression."""
    entries = (("avro.codec", b"null"), ("avro.schema", schema_text.encode()))
    body = b"".join(encode_long(len(name)) + name.encode() + encode_long(len(value)) + value for name, value in entries)
    return MAGIC + encode_long(len(entries)) + body + encode_long(0) + sync


def wrap(datums: Iterable[bytes], schema_text: str, sync: bytes) -> list[bytes]:
    """A whole container file with one block per datum, as pieces to be written one after the other.

    A block of its own for every datum keeps neighbours readable when one is malformed.
    """
    parts = [header(schema_text, sync)]
    append = parts.append
    for datum in datums:
        append(b"\x02" + encode_long(len(datum)))
        append(datum)
        append(sync)
    return parts


def parse_header(data: bytes) -> Header | None:
    """The header at the beginning of data, or None while it is incomplete. Raises NotContainerFile."""
    if data[:4] != MAGIC[: len(data)]:
        raise NotContainerFile("it does not begin with the magic of an Avro container file")
    try:
        metadata, at = _metadata(data, len(MAGIC))
    except _Incomplete:
        if len(data) >= MAX_HEADER_BYTES:
            raise NotContainerFile(f"its header does not end within {MAX_HEADER_BYTES} bytes") from None
        return None
    sync = data[at : at + SYNC_BYTES]
    if len(sync) < SYNC_BYTES:
        return None
    codec = metadata.get("avro.codec", b"null")
    if codec != b"null":
        raise NotContainerFile(f"its codec is {codec.decode(errors='replace')!r}, not 'null'")
    try:
        schema_text = metadata["avro.schema"].decode()
    except (KeyError, UnicodeDecodeError):
        raise NotContainerFile("its header holds no readable schema") from None
    return Header(schema_text, sync, at + SYNC_BYTES)


def scan(data: bytes, sync: bytes) -> Scan:
    """Find all blocks in bytes that begin where a block begins, going around damage.

    Incomplete bytes at the end that hold no sync marker are a torn tail. Anything else that is no block is damage, and
    reading goes on after the next marker; when just a block's marker is damaged, with the block behind it.
    """
    parts: list[Block | Gap] = []
    at = 0
    size = len(data)
    while at < size:
        block = _block(data, at, sync)
        if isinstance(block, Block):
            parts.append(block)
            at = block.end
            continue
        go_on = _after_damage(data, at, sync, block)
        if go_on is None:
            return Scan(parts, at, Tail.TORN if block is Tail.TORN else Tail.DAMAGED)
        parts.append(Gap(at, go_on))
        at = go_on
    return Scan(parts, at, Tail.CLEAN)


def _block(data: bytes, at: int, sync: bytes) -> Block | Tail | int:
    """The block at an offset; TORN when the bytes end in it; DAMAGED, or where its damaged marker ends, otherwise."""
    try:
        count, body = decode_long(data, at)
        length, body = decode_long(data, body)
    except IndexError:
        return Tail.TORN
    except ValueError:
        return Tail.DAMAGED
    if count < 0 or not 0 <= length <= MAX_BLOCK_BYTES:
        return Tail.DAMAGED
    marker = body + length
    end = marker + SYNC_BYTES
    if end > len(data):
        return Tail.TORN
    if data[marker:end] != sync:
        return end
    return Block(at, end, count, data[body:marker])


def _after_damage(data: bytes, at: int, sync: bytes, found: Tail | int) -> int | None:
    """Where reading can go on after the damaged block at an offset, None when that is not known yet."""
    marker = data.find(sync, at)
    after_marker = marker + SYNC_BYTES if marker >= 0 else None
    if isinstance(found, int) and (after_marker is None or found < after_marker):
        behind = _block(data, found, sync)
        if isinstance(behind, Block):
            return found
    return after_marker


def _metadata(data: bytes, at: int) -> tuple[dict[str, bytes], int]:
    entries: dict[str, bytes] = {}
    try:
        while True:
            count, at = decode_long(data, at)
            if count == 0:
                return entries, at
            if count < 0:
                # A negative count is followed by the size of the block of entries in bytes.
                _, at = decode_long(data, at)
            for _ in range(abs(count)):
                name, at = _bytes(data, at)
                value, at = _bytes(data, at)
                entries[name.decode(errors="replace")] = value
    except IndexError:
        raise _Incomplete from None
    except ValueError as error:
        raise NotContainerFile(f"its header is damaged: {error}") from None


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = decode_long(data, at)
    if not 0 <= length <= MAX_HEADER_BYTES:
        raise ValueError(f"a length of {length}")
    end = at + length
    if end > len(data):
        raise IndexError
    return data[at:end], end
