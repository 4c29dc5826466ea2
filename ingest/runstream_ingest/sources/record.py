"""From a record of a topic to a message: single-object encoding taken off, and everything odd about it named. Pure."""

from __future__ import annotations

from typing import Any

from runstream_ingest.sources.source import Message, Origin, Partition
from runstream_schemas import avro
from runstream_schemas.limits import MAX_EVENT_BYTES

MAX_RECORD_BYTES = MAX_EVENT_BYTES + avro.HEADER_BYTES


def unknown_fingerprint(value: bytes | None) -> bytes | None:
    """The fingerprint of an event that only a later version of runstream knows, else None."""
    if value is None or len(value) < avro.HEADER_BYTES or not value.startswith(avro.MARKER):
        return None
    fingerprint = value[len(avro.MARKER) : avro.HEADER_BYTES]
    return None if fingerprint in avro.known() else fingerprint


def message(record: Any, event: str, partition: Partition) -> Message:
    """A record of an event's topic. What is no event becomes a message with a defect, its value as it came."""
    value: bytes | None = record.value()
    offset: int = record.offset()
    origin = Origin(record.key(), record.headers() or (), record.timestamp()[1])
    defect = _defect(value)
    if defect:
        return Message(avro.current(event), value or b"", partition, offset, offset + 1, defect, origin)
    assert value is not None
    schema = avro.known()[value[len(avro.MARKER) : avro.HEADER_BYTES]]
    return Message(schema, value[avro.HEADER_BYTES :], partition, offset, offset + 1, "", origin)


def _defect(value: bytes | None) -> str:
    if value is None:
        return "it has no value (a tombstone)"
    if not value:
        return "its value is empty"
    if len(value) > MAX_RECORD_BYTES:
        return f"it has {len(value):,} bytes, and no event has more than {MAX_RECORD_BYTES:,}"
    if not value.startswith(avro.MARKER) or len(value) < avro.HEADER_BYTES:
        return f"it does not begin with the marker of a single object in Avro (C3 01) but with {value[:10].hex(' ')}"
    fingerprint = unknown_fingerprint(value)
    return f"no schema has the fingerprint {fingerprint.hex()}" if fingerprint else ""
