"""What a log directory holds, by a plain Avro reader."""

from pathlib import Path
from typing import Any

import fastavro


def events(directory: Path, event: str) -> list[dict[str, Any]]:
    """All events of a kind below a RUNSTREAM_DIR, in order of time."""
    found: list[Any] = []
    for path in sorted((directory / "log" / event).glob("*.avro")):
        with path.open("rb") as file:
            found += fastavro.reader(file)
    return sorted(found, key=lambda record: record.get("time", record.get("seq", 0)))


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
