"""How a worker works: the settings that only it has, declared once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runstream_schemas.setting_values import SettingsError, file_of, resolve, texts

MIB: Final = 1024 * 1024

MOST_INSERTERS: Final = 64
"""More INSERTs at a time than any server gains from, each with a thread, a connection and a batch in memory."""

MOST_BYTES: Final = 2047 * MIB
"""As much as librdkafka queues at most."""

DESCRIPTIONS: Final[Mapping[str, str]] = {
    "group": "Consumer group of the workers. Default: <topic_prefix>.ingest.",
    "instance": "Name of this worker that outlives a restart, such as the pod's: its partitions wait for it meanwhile.",
    "batch_bytes": "Most bytes in one INSERT. Default: 16777216.",
    "batch_age_s": "Seconds after which a batch is inserted even if it is small. Default: 0.5.",
    "inserters": "INSERTs at a time, each with a batch of its own in memory. Default: 2.",
    "queue_bytes": "Most bytes fetched from the broker ahead of need. Default: 67108864.",
    "unknown_schema_wait_s": "Seconds that a partition waits at an event of a newer runstream. Default: 300.",
    "metrics_host": "Address to serve /metrics and /healthz at. Default: 127.0.0.1.",
    "metrics_port": "Port to serve them at, 0 for none. Default: 0.",
    "stall_s": "Seconds without progress after which /healthz fails. Default: 120.",
    "log": "What the worker says: text for people, or json, an object a line. Default: text.",
}
"""Every setting of the worker, with what it means."""


@dataclass(frozen=True)
class WorkerSettings:
    """The settings of a worker, resolved."""

    group: str
    instance: str
    batch_bytes: int
    batch_age_s: float
    inserters: int
    queue_bytes: int
    unknown_schema_wait_s: float
    metrics_host: str
    metrics_port: int
    stall_s: float
    log: str
    sources: Mapping[str, str]
    """Where each value came from: argument, environment, the file's name, or default."""


def load(
    topic_prefix: str,
    flags: Mapping[str, str | None],
    *,
    environ: Mapping[str, str] = os.environ,
    cwd: Path | None = None,
) -> WorkerSettings:
    """Resolve the worker's settings from flags, RUNSTREAM_INGEST_<NAME>, and the table [ingest] of the file.

    Raises SettingsError.
    """
    file_name, content = file_of(environ, cwd or Path.cwd())
    table = content.get("ingest", {})
    if not isinstance(table, dict):
        raise SettingsError(f"{file_name}: ingest must be a table: [ingest]")
    values = resolve(
        DESCRIPTIONS,
        prefix="RUNSTREAM_INGEST_",
        environ=environ,
        file_name=f"{file_name} [ingest]",
        from_file=texts(f"{file_name} [ingest]", table, DESCRIPTIONS),
        arguments=flags,
    )
    return WorkerSettings(
        group=values.text("group") or f"{topic_prefix}.ingest",
        instance=values.text("instance"),
        # A batch below an event's size would be one event anyway.
        batch_bytes=values.whole("batch_bytes", default=16 * MIB, least=MIB, most=MOST_BYTES),
        batch_age_s=values.number("batch_age_s", default=0.5, least=0.0),
        inserters=values.whole("inserters", default=2, least=1, most=MOST_INSERTERS),
        queue_bytes=values.whole("queue_bytes", default=64 * MIB, least=MIB, most=MOST_BYTES),
        unknown_schema_wait_s=values.number("unknown_schema_wait_s", default=300.0, least=0.0),
        metrics_host=values.text("metrics_host", "127.0.0.1"),
        metrics_port=values.whole("metrics_port", default=0, least=0, most=65535),
        stall_s=values.number("stall_s", default=120.0, least=1.0),
        log=values.choice("log", ("text", "json")),
        sources=values.sources,
    )
