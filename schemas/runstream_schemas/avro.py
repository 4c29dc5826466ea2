"""The event contract in code: schemas, fingerprints and single-object encoding.

A message is `C3 01`, the 8-byte little-endian CRC-64-AVRO fingerprint of its schema's parsing canonical form, and the
datum (Avro specification, "Single object encoding"). Every schema that was ever written stays in this package, so a
reader needs no registry.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import fastavro
import orjson
from fastavro.schema import fingerprint, to_parsing_canonical_form

MARKER = b"\xc3\x01"
HEADER_BYTES = 10
"""Marker and fingerprint in front of every datum."""

_MAX_LONG_BYTES = 10

EVENT_NAMES = ("metric", "run", "status", "param", "tag", "artifact")
"""The six kinds of event; each has its own schema, topic and landing table."""


class NotSingleObject(ValueError):
    """The bytes do not begin with the marker of Avro's single-object encoding."""


class UnknownFingerprint(ValueError):
    """The fingerprint belongs to no schema of this package: foreign data, or written by a later version."""


@dataclass(frozen=True)
class Schema:
    """One version of one event's schema."""

    event: str
    """Which of EVENT_NAMES it describes."""
    text: str
    """The schema as JSON text, as it stands in a container file's header."""
    parsed: dict[str, Any]
    """The schema as fastavro wants it."""
    fingerprint: bytes
    """CRC-64-AVRO of the parsing canonical form, 8 bytes little-endian, as on the wire."""

    @property
    def header(self) -> bytes:
        """What stands in front of each datum."""
        return MARKER + self.fingerprint

    def encode_datum(self, record: dict[str, Any]) -> bytes:
        """Encode without the header. Raises ValueError, TypeError or KeyError for a record that does not fit."""
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, self.parsed, record)
        return buffer.getvalue()

    def encode(self, record: dict[str, Any]) -> bytes:
        """Encode as a message. Raises ValueError, TypeError or KeyError for a record that does not fit."""
        return self.header + self.encode_datum(record)

    def decode_datum(self, datum: bytes) -> dict[str, Any]:
        """Decode a datum without its header; raises EOFError, ValueError or IndexError for damaged bytes."""
        stream = io.BytesIO(datum)
        record = fastavro.schemaless_reader(stream, self.parsed, None)
        if stream.tell() != len(datum):
            raise ValueError(f"{len(datum) - stream.tell()} trailing bytes after the datum of schema {self.event!r}")
        if not isinstance(record, dict):
            raise ValueError(f"the datum of schema {self.event!r} is no record")
        return record


def schema_from_text(event: str, text: str) -> Schema:
    """Build a Schema from its JSON text."""
    raw = orjson.loads(text)
    canonical = to_parsing_canonical_form(raw)
    crc = bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))
    parsed = fastavro.parse_schema(raw)
    if not isinstance(parsed, dict):
        raise ValueError(f"the schema of {event!r} is no record")
    return Schema(event, text, parsed, crc)


@cache
def current(event: str) -> Schema:
    """The schema that this version writes for an event of EVENT_NAMES."""
    text = (files(__package__) / "events" / f"{event}.avsc").read_text()
    return schema_from_text(event, orjson.dumps(orjson.loads(text)).decode())


@cache
def known() -> dict[bytes, Schema]:
    """Every schema this package can read, by fingerprint: the current ones and all earlier versions.

    Earlier versions lie in `events/old/<event>.<n>.avsc` and are never removed.
    """
    schemas = [current(event) for event in EVENT_NAMES]
    old = files(__package__) / "events" / "old"
    if old.is_dir():
        for entry in old.iterdir():
            if entry.name.endswith(".avsc"):
                schemas.append(schema_from_text(entry.name.split(".")[0], entry.read_text()))
    return {schema.fingerprint: schema for schema in schemas}


def split_message(message: bytes) -> tuple[Schema, bytes]:
    """Separate a message into its schema and its datum.

    Raises NotSingleObject or UnknownFingerprint; the datum itself is not looked at.
    """
    if len(message) < HEADER_BYTES or message[:2] != MARKER:
        raise NotSingleObject(f"a message of {len(message)} bytes does not begin with the marker C3 01")
    schema = known().get(message[2:HEADER_BYTES])
    if schema is None:
        raise UnknownFingerprint(f"no schema has the fingerprint {message[2:HEADER_BYTES].hex()}")
    return schema, message[HEADER_BYTES:]


def decode(message: bytes) -> tuple[Schema, dict[str, Any]]:
    """Decode a message. Raises what `split_message` and `Schema.decode_datum` raise."""
    schema, datum = split_message(message)
    return schema, schema.decode_datum(datum)


def encode_long(value: int) -> bytes:
    """Avro's zig-zag variable-length integer of 64 bits: 7 bits a byte, lowest first."""
    rest = (value << 1) ^ (value >> 63)
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)


def decode_long(data: bytes, at: int) -> tuple[int, int]:
    """The Avro long at an offset, and the offset after it. Raises IndexError at the end, ValueError if over-long."""
    byte = data[at]
    rest = byte & 0x7F
    shift = 7
    begin = at
    at += 1
    while byte & 0x80:
        if at - begin == _MAX_LONG_BYTES:
            raise ValueError("a number of more than 10 bytes")
        byte = data[at]
        rest |= (byte & 0x7F) << shift
        shift += 7
        at += 1
    return (rest >> 1) ^ -(rest & 1), at


def topic(event: str, prefix: str = "runstream") -> str:
    """The Kafka topic of an event."""
    return f"{prefix}.{event}"


def landing_table(event: str) -> str:
    """The table that an event is inserted into."""
    return f"landing_{event}"
