"""Counting the points that a tracker's directory holds, with the tracker's own reader where it has one.

For processes that were killed: what is found here is what a user would get back.
"""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

_WANDB_HEADER_BYTES = 7
_LEVELDB_BLOCK = 32_768
_LEVELDB_HEADER = struct.Struct("<IHB")


def runstream(directory: Path) -> int:
    """Distinct points in the log directory, once the journals of killed processes are shipped."""
    import fastavro

    from runstream.sync import sync_journals
    from runstream_schemas.settings import load

    failed = [
        r.error for r in sync_journals(load(dir=directory), timeout_s=60) if r.outcome not in ("shipped", "in use")
    ]
    if failed:
        raise RuntimeError(f"a journal was not shipped: {failed[0]}")
    batches: dict[tuple[str, int, int, int], int] = {}
    for path in sorted((directory / "log" / "metric").glob("*.avro")):
        with path.open("rb") as file:
            for batch in fastavro.reader(file):
                assert isinstance(batch, dict)
                identity = (str(batch["run_id"]), batch["rank"], batch["attempt"], batch["seq"])
                # System metrics are samples of the machine, not what the loop logged.
                batches[identity] = sum(
                    len(column["values"])
                    for frame in batch["frames"]
                    for column in frame["columns"]
                    if not column["metric"].startswith("system/")
                )
    return sum(batches.values())


def final_status(directory: Path) -> dict[str, Any]:
    """The last status event of the only run in a runstream directory: its counters of points."""
    import fastavro

    newest: Any = None
    for path in sorted((directory / "log" / "status").glob("*.avro")):
        with path.open("rb") as file:
            newest = list(fastavro.reader(file))[-1]
    result: dict[str, Any] = newest
    return result


def mlflow(directory: Path) -> int:
    """Rows of the metrics table."""
    return _count(directory / "mlflow.db", "SELECT count(*) FROM metrics")


def trackio(directory: Path) -> int:
    """Values in the rows of the project's database."""
    points = 0
    for path in directory.glob("*.db"):
        with sqlite3.connect(path) as connection:
            points += sum(len(json.loads(text)) for (text,) in connection.execute("SELECT metrics FROM metrics"))
    return points


def aim(directory: Path) -> int:
    """Values of all sequences of all runs."""
    repo: Any = import_module("aim").Repo(str(directory))
    return sum(
        len(metric.values.sparse_numpy()[0])
        for run in repo.iter_runs()
        for metric in run.metrics()
        if not metric.name.startswith("__system__")
    )


def tensorboardx(directory: Path) -> int:
    """Scalar values in whole records of the event files (TFRecord framing: length, its CRC, data, its CRC)."""
    event_class: Any = import_module("tensorboardX.proto.event_pb2").Event
    points = 0
    for path in directory.glob("events.out.tfevents.*"):
        data = path.read_bytes()
        at = 0
        while at + 12 <= len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            if at + 16 + length > len(data):
                break
            event = event_class.FromString(data[at + 12 : at + 12 + length])
            points += len(event.summary.value)
            at += 16 + length
    return points


def wandb(directory: Path) -> int:
    """Values in the history records of the offline file, a log in LevelDB's format of W&B's own records."""
    record_class: Any = import_module("wandb.proto.wandb_internal_pb2").Record
    points = 0
    for path in directory.glob("wandb/offline-run-*/*.wandb"):
        for data in _leveldb_records(path.read_bytes()):
            record = record_class.FromString(data)
            if record.WhichOneof("record_type") == "history":
                keys = (item.key or ".".join(item.nested_key) for item in record.history.item)
                points += sum(not key.startswith("_") for key in keys)
    return points


def _leveldb_records(data: bytes) -> Iterator[bytes]:
    """Whole records, put together from their fragments (1 full, 2 first, 3 middle, 4 last)."""
    at, held = _WANDB_HEADER_BYTES, b""
    while at + _LEVELDB_HEADER.size <= len(data):
        left = _LEVELDB_BLOCK - at % _LEVELDB_BLOCK
        if left < _LEVELDB_HEADER.size:
            at += left
            continue
        _, length, kind = _LEVELDB_HEADER.unpack_from(data, at)
        begin = at + _LEVELDB_HEADER.size
        at = begin + length
        if kind == 0 or at > len(data):
            return
        held = data[begin:at] if kind in (1, 2) else held + data[begin:at]
        if kind in (1, 4):
            yield held


def _count(path: Path, sql: str) -> int:
    if not path.exists():
        return 0
    with sqlite3.connect(path) as connection:
        found: int = connection.execute(sql).fetchone()[0]
    return found
