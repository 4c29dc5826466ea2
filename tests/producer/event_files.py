"""What a log directory holds, by a plain Avro reader."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import fastavro


def events(directory: Path, event: str) -> list[dict[str, Any]]:
    """All events of a kind below a RUNSTREAM_DIR, in order of time."""
    found: list[Any] = []
    for path in sorted((directory / "log" / event).glob("*.avro")):
        with path.open("rb") as file:
            found += _whole_blocks(file)
    return sorted(found, key=lambda record: record.get("time", record.get("seq", 0)))


def _whole_blocks(file: BinaryIO) -> Iterator[Any]:
    """What stands before a torn tail: a process may be killed in the middle of a write, or before its first."""
    try:
        reader = fastavro.reader(file)
    except ValueError as error:
        assert "cannot read header" in str(error)
        return
    try:
        yield from reader
    except EOFError:
        pass


def points(directory: Path) -> dict[str, list[tuple[int, float]]]:
    """(step, value) by metric; a batch that is there twice counts once, and must be the same."""
    batches: dict[tuple[Any, ...], Any] = {}
    for record in events(directory, "metric"):
        identity = (record["run_id"], record["rank"], record["attempt"], record["seq"])
        assert batches.setdefault(identity, record) == record, "one seq with two contents"
    found: dict[str, list[tuple[int, float]]] = {}
    for record in batches.values():
        for frame in record["frames"]:
            for column in frame["columns"]:
                found.setdefault(column["metric"], []).extend(zip(frame["steps"], column["values"], strict=True))
    return found


def last_status(directory: Path) -> dict[str, Any]:
    """The newest status event."""
    return events(directory, "status")[-1]
