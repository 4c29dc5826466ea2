"""Events as plain dicts, filled with harmless defaults, and their way into a store: for any test that needs data."""

from __future__ import annotations

import io
import random
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import fastavro

from runstream_schemas import avro

Event = dict[str, Any]

ATTEMPT = 1_760_000_000_000_000
"""A moment in October 2025, microseconds."""

INSERT_SETTINGS = {
    "async_insert": 0,
    "optimize_on_insert": 0,
    "min_insert_block_size_rows": 1_000_000_000,
    "min_insert_block_size_bytes": 0,
}


def frame(
    steps: Sequence[int], times: Sequence[int], columns: dict[str, Sequence[float]], *, auto_steps: bool = False
) -> Event:
    return {
        "auto_steps": auto_steps,
        "steps": list(steps),
        "times": list(times),
        "columns": [{"metric": name, "values": list(values)} for name, values in columns.items()],
    }


def metric(run_id: UUID, frames: Iterable[Event], *, rank: int = 0, attempt: int = ATTEMPT, seq: int = 0) -> Event:
    return {"run_id": str(run_id), "rank": rank, "attempt": attempt, "seq": seq, "frames": list(frames)}


def run(run_id: UUID, *, rank: int = 0, attempt: int = ATTEMPT, **fields: Any) -> Event:
    job = rank == 0
    return {
        "run_id": str(run_id),
        "rank": rank,
        "attempt": attempt,
        "time": attempt,
        "experiment": "digits" if job else "",
        "name": "brave-otter" if job else "",
        "user": "ada" if job else "",
        "world_size": 1,
        "local_rank": rank,
        "node": 0,
        "job_id": "",
        "host": "node0",
        "pid": 4242 + rank,
        "device": "",
        "resume": "allow",
        "start_step": None,
        "crash_safe": True,
        "code": {"commit": "c0ffee", "branch": "main", "remote": "", "dirty": False, "diff": "", "untracked": []},
        "packages": ["numpy==2.1.0"],
        "packages_hash": "ab" * 32,
        "environment": {"python": "3.11.9"},
        "command": ["python", "train.py"],
    } | fields


def status(run_id: UUID, *, rank: int = 0, attempt: int = ATTEMPT, **fields: Any) -> Event:
    return {
        "run_id": str(run_id),
        "rank": rank,
        "attempt": attempt,
        "time": attempt + 1_000_000,
        "state": "running",
        "final": False,
        "last_step": None,
        "error": "",
        "logged": 0,
        "queued": 0,
        "dropped": {},
        "last_seq": -1,
        "crash_safe": True,
    } | fields


def param(run_id: UUID, key: str, value: str, *, rank: int = 0, attempt: int = ATTEMPT, **fields: Any) -> Event:
    return {
        "run_id": str(run_id),
        "rank": rank,
        "attempt": attempt,
        "time": attempt,
        "key": key,
        "kind": "str",
        "value": value,
        "number": None,
    } | fields


def tag(run_id: UUID, key: str, value: str, *, rank: int = 0, attempt: int = ATTEMPT, **fields: Any) -> Event:
    identity = {"run_id": str(run_id), "rank": rank, "attempt": attempt, "time": attempt}
    return identity | {"key": key, "value": value} | fields


def deletion(run_id: UUID, until: int, *, time: int | None = None) -> Event:
    moment = until if time is None else time
    return tag(run_id, "runstream.deleted", str(until), attempt=moment, time=moment)


def artifact(run_id: UUID, name: str, *, rank: int = 0, attempt: int = ATTEMPT, **fields: Any) -> Event:
    return {
        "run_id": str(run_id),
        "rank": rank,
        "attempt": attempt,
        "time": attempt + 1,
        "name": name,
        "type": "file",
        "uri": f"file:/artifacts/{name}",
        "size": 10,
        "sha256": "cd" * 32,
        "step": None,
        "metadata": "{}",
        "aliases": [],
        "state": "stored",
        "error": "",
    } | fields


def container(event: str, records: Iterable[Event]) -> bytes:
    """One Object Container File with one block per record, as the ingest worker builds it from messages."""
    out = io.BytesIO()
    marker = random.Random(0).randbytes(16)
    fastavro.writer(out, avro.current(event).parsed, records, sync_interval=0, sync_marker=marker)
    return out.getvalue()


def insert(client: Any, event: str, records: Sequence[Event]) -> None:
    """Insert through the landing table in one INSERT; the client is one of clickhouse-connect."""
    client.raw_insert(
        avro.landing_table(event), insert_block=container(event, records), fmt="Avro", settings=INSERT_SETTINGS
    )
