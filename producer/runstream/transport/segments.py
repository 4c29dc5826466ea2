"""Reading back what was spilled: container files of the kind that LogDirectory writes, one message a block."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import fastavro

from runstream_schemas.avro import current, decode_long, encode_long, schema_from_text

MAGIC = b"Obj\x01"
ONE = encode_long(1)
METRIC = "metric"


class Damaged(Exception):
    """A segment cannot be read to its end, and not because its writer was killed."""


@dataclass(frozen=True)
class Spilled:
    """What a segment holds."""

    event: str
    header: bytes
    """In front of each datum: of the schema that it was written with, which an earlier version may have done."""
    datums: list[bytes]


def read_segment(path: Path) -> Spilled:
    """All messages of a segment. Raises Damaged or OSError.

    A torn tail is no damage: its writer was killed, and its journal still has what it was writing.
    """
    event, content = path.parent.name, path.read_bytes()
    if content[: len(MAGIC)] != MAGIC[: len(content)]:
        raise Damaged(f"{path} is no container file")
    file = io.BytesIO(content)
    try:
        reader = fastavro.block_reader(file)
        text, marker = reader.metadata["avro.schema"], reader._header["sync"]
    except (ValueError, IndexError, EOFError):
        return Spilled(event, current(event).header, [])  # cut off within its header
    at = file.tell()
    datums: list[bytes] = []
    while at < len(content):
        try:
            size, start = decode_long(content, at + 1)
        except IndexError:
            break
        except ValueError as error:
            raise Damaged(f"{path} is damaged at byte {at}") from error
        end = start + size
        if content[at : at + 1] != ONE or size < 0:
            raise Damaged(f"{path} is damaged at byte {at}")
        if end + len(marker) > len(content):
            break
        if content[end : end + len(marker)] != marker:
            raise Damaged(f"{path} is damaged at byte {end}")
        datums.append(content[start:end])
        at = end + len(marker)
    return Spilled(event, schema_from_text(event, text).header, datums)


def count_points(path: Path) -> int:
    """Points of a segment, by decoding all of it; 0 where it cannot be read."""
    if path.parent.name != METRIC:
        return 0
    try:
        batches = [current(METRIC).decode_datum(datum) for datum in read_segment(path).datums]
    except (Damaged, OSError, ValueError, EOFError, IndexError):
        return 0
    return sum(len(frame["steps"]) * len(frame["columns"]) for batch in batches for frame in batch["frames"])
