"""From a container file's schema text to the Schema that the pipeline knows, and datums apart by it."""

from __future__ import annotations

import io
from functools import lru_cache

import fastavro
from fastavro.schema import SchemaParseException, UnknownType

from runstream_ingest.ocf import NotContainerFile
from runstream_schemas import avro
from runstream_schemas.avro import Schema


@lru_cache(maxsize=256)
def by_text(text: str) -> Schema:
    """The known schema with the same fingerprint as a schema's JSON text.

    Raises NotContainerFile when the text is no schema, UnknownFingerprint when it is one that this version lacks.
    """
    try:
        fingerprint = avro.schema_from_text("", text).fingerprint
    except (ValueError, KeyError, TypeError, SchemaParseException, UnknownType) as error:
        raise NotContainerFile(f"its header holds no Avro schema: {error}") from error
    schema = avro.known().get(fingerprint)
    if schema is None:
        raise avro.UnknownFingerprint(f"fingerprint {fingerprint.hex()}")
    return schema


def split_datums(schema: Schema, data: bytes, count: int) -> list[bytes]:
    """Take a block of several datums apart. Raises EOFError, ValueError or IndexError if it does not hold `count`."""
    stream = io.BytesIO(data)
    datums = []
    for _ in range(count):
        start = stream.tell()
        fastavro.schemaless_reader(stream, schema.parsed, None)
        datums.append(data[start : stream.tell()])
    if stream.tell() != len(data):
        raise ValueError(f"{len(data) - stream.tell()} bytes after the last of {count} events")
    return datums
