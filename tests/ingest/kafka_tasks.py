"""A worker on topics and what it needs around it."""

import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from ingest_support import everything
from worker_process import WORKER, environment

import support_events as events
from runstream_ingest.store import open_store
from runstream_ingest.topics import TopicAdmin, changes, wanted
from runstream_schemas import avro, settings
from runstream_schemas.kafka import message_key
from runstream_schemas.settings import Settings


def settings_of(directory: Path, url: str, prefix: str, **more: str) -> Settings:
    return settings.load(environ={}, cwd=directory, dir=directory / ".runstream", url=url, topic_prefix=prefix, **more)


def make_topics(url: str, prefix: str, partitions: int = 1, replicas: int = 1) -> None:
    kafka = settings_of(Path("/"), url, prefix).kafka
    admin = TopicAdmin(url, kafka)
    want = wanted(kafka, partitions=partitions, replicas=replicas, retention_hours=168)
    for change in changes(want, admin.present()):
        admin.apply(change)


def produce(url: str, prefix: str, records: Mapping[str, Iterable[events.Event]]) -> None:
    """Events as a training process sends them."""
    send(
        url,
        [
            (f"{prefix}.{event}", message_key(record["run_id"], record["rank"]), avro.current(event).encode(record))
            for event, some in records.items()
            for record in some
        ],
    )


def send(
    url: str, values: Iterable[tuple[str, bytes | None, bytes | None]], headers: Any = None, **config: Any
) -> None:
    """Values as they are: topic, key, value. Returns when the broker has them."""
    own = {"bootstrap.servers": url.removeprefix("kafka://"), "enable.idempotence": True, "log_level": 0}
    producer = Producer({**own, **config})
    producer.list_topics(timeout=30)  # sooner than the producer itself would look
    failed: list[Any] = []
    for topic, key, value in values:
        producer.produce(
            topic, value, key, headers=headers, on_delivery=lambda error, _: failed.append(error) if error else None
        )
        producer.poll(0)
    assert producer.flush(60) == 0
    assert not failed, failed


def worker_environment(directory: Path, url: str, prefix: str, **more: str) -> dict[str, str]:
    return environment() | {
        "RUNSTREAM_DIR": str(directory / ".runstream"),
        "RUNSTREAM_URL": url,
        "RUNSTREAM_TOPIC_PREFIX": prefix,
        **more,
    }


def start_worker(environ: Mapping[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, "run", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(environ),
    )


def drain(environ: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """A worker that ends when it has stored all that the topics hold."""
    return subprocess.run(
        [sys.executable, "-c", WORKER, "run", "--once", *arguments],
        capture_output=True,
        text=True,
        env=dict(environ),
        timeout=90,
        check=False,
    )


def seen(directory: Path) -> dict[str, list[str]]:
    """What every view shows. Run in the process that owns the engine."""
    with open_store(settings.load(environ={}, cwd=directory, dir=directory / ".runstream")) as store:
        return everything(store)


def due(directory: Path) -> list[str]:
    """Runs whose findings are older than what is stored. Run in the process that owns the engine."""
    with open_store(settings.load(environ={}, cwd=directory, dir=directory / ".runstream")) as store:
        return [
            str(run_id) for (run_id,) in store.client.query("SELECT run_id FROM due_run(settle_us = 0)").result_rows
        ]
