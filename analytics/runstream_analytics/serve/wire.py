"""Bytes of ClickHouse's protocol that the engine in a process does not make itself. Pure."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import lz4.block
from clickhouse_cityhash.cityhash import CityHash128

HELLO: Final = "SELECT displayName(), version(), revision(), timezone()"
"""What clickhouse-go asks first; it decodes all later blocks at the revision in the answer."""

_CUSTOM_SERIALIZATION: Final = 54454
"""From this revision on, a byte before each column says whether it is serialised in a special way."""

_BLOCK_INFO: Final = b"\x01\x00\x02\xff\xff\xff\xff\x00"
"""No overflow rows, no bucket."""

_LZ4: Final = 0x82
_NONE: Final = 0x02
_HEAD_BYTES: Final = 9
"""Method, size and size when decompressed; the first size counts them too."""


def hello(version: str, revision: int) -> bytes:
    """The answer to HELLO, one block in Native as a client of that revision reads it.

    It says that the server's revision is 0: the engine writes Native at that revision only.
    """
    extra = b"\x00" if revision >= _CUSTOM_SERIALIZATION else b""
    columns: Sequence[tuple[str, str, bytes]] = (
        ("displayName()", "String", _text("runstream")),
        ("version()", "String", _text(version)),
        ("revision()", "UInt32", struct.pack("<I", 0)),
        ("timezone()", "String", _text("UTC")),
    )
    body = b"".join(_text(name) + _text(kind) + extra + value for name, kind, value in columns)
    return _BLOCK_INFO + b"\x04\x01" + body


def compressed(data: bytes) -> bytes:
    """A block of ClickHouse's own compression, as `compress=1` asks for."""
    return _block(_LZ4, lz4.block.compress(data, store_size=False), len(data))


def uncompressed(data: bytes) -> bytes:
    """The same block without compression: clients look for an exception's words in the raw stream."""
    return _block(_NONE, data, len(data))


def exception_block(tag: str, text: bytes) -> bytes:
    """How a body ends whose statement failed after the status was sent."""
    message = text if text.endswith(b"\n") else text + b"\n"
    name = tag.encode()
    return b"\r\n__exception__\r\n%s\r\n%s%d %s\r\n__exception__\r\n" % (name, message, len(message), name)


def _block(method: int, data: bytes, raw_bytes: int) -> bytes:
    block = struct.pack("<BII", method, len(data) + _HEAD_BYTES, raw_bytes) + data
    checksum = CityHash128(block)
    # The hash is one number of 128 bits; the format has its halves in this order.
    return struct.pack("<QQ", checksum >> 64, checksum & 0xFFFFFFFFFFFFFFFF) + block


def _text(text: str) -> bytes:
    data = text.encode()
    assert len(data) < 128, "longer ones need more than one byte for their length"
    return bytes([len(data)]) + data
