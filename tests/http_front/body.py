"""The body of a request, as pieces: chunked or of known length, compressed or not."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import BinaryIO, Protocol

import lz4.frame

PIECE_BYTES = 256 * 1024


class Truncated(ConnectionError):
    """The client went away before its body ended."""


class UnknownEncoding(ValueError):
    """The body has a Content-Encoding that nobody here can undo."""


class Decompressor(Protocol):
    unused_data: bytes | None
    eof: bool

    def decompress(self, data: bytes) -> bytes: ...


DECOMPRESSORS = {"lz4": lz4.frame.LZ4FrameDecompressor, "gzip": lambda: zlib.decompressobj(31)}


def pieces(file: BinaryIO, headers: Mapping[str, str]) -> Iterator[bytes]:
    """Raises Truncated and UnknownEncoding."""
    chunked = headers.get("Transfer-Encoding", "").lower() == "chunked"
    raw = _chunked(file) if chunked else _exactly(file, int(headers.get("Content-Length") or 0))
    encoding = headers.get("Content-Encoding", "identity").lower()
    if encoding == "identity":
        return raw
    if encoding not in DECOMPRESSORS:
        raise UnknownEncoding(f"unknown Content-Encoding {encoding}")
    return _decompressed(raw, encoding)


def _exactly(file: BinaryIO, size: int) -> Iterator[bytes]:
    while size:
        piece = file.read(min(size, PIECE_BYTES))
        if not piece:
            raise Truncated(f"{size} bytes are missing")
        size -= len(piece)
        yield piece


def _chunked(file: BinaryIO) -> Iterator[bytes]:
    while True:
        line = file.readline(1024)
        if not line.endswith(b"\r\n"):
            raise Truncated("the last chunk is missing")
        size = int(line.split(b";")[0], 16)
        yield from _exactly(file, size)
        if file.readline(1024) != b"\r\n":
            raise Truncated("a chunk does not end")
        if not size:
            return


def _decompressed(raw: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Several compressed streams behind one another are one body."""
    stream: Decompressor = DECOMPRESSORS[encoding]()
    for piece in raw:
        rest = piece
        while rest:
            if stream.eof:
                stream = DECOMPRESSORS[encoding]()
            yield stream.decompress(rest)
            rest = (stream.unused_data or b"") if stream.eof else b""
