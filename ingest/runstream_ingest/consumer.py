"""How the worker's consumer is configured. Pure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from confluent_kafka import Consumer

from runstream_ingest.settings import WorkerSettings
from runstream_schemas.kafka import KafkaSettings, client_config

MAX_POLL_INTERVAL_MS: Final = 300_000
"""A worker that does not ask for messages for so long is taken for stuck. Waiting for the store it keeps asking."""

SESSION_MS: Final = 10_000
"""A worker that died loses its partitions to the others after it."""

HEARTBEAT_MS: Final = 1_000
"""With the next one a worker learns of a rebalance, for which all wait: with the default of 3 s for that long."""

FETCH_BYTES: Final = 16 * 1024 * 1024
"""One answer of the broker, which comes on top of what is queued: bounds memory."""

_SILENT: Final = logging.getLogger("runstream_ingest.librdkafka")
"""Takes what the client would print among our lines on standard error: what is wrong is said in our words."""
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


def consumer_config(url: str, kafka: KafkaSettings, worker: WorkerSettings) -> dict[str, Any]:
    """The configuration of librdkafka; the user's own options win."""
    config: dict[str, Any] = {
        **client_config(url, kafka, "runstream-ingest"),
        "group.id": worker.group,
        # Offsets are committed after the insert, and only by us.
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # Jumping over events would be silent; the source handles it, and says so.
        "auto.offset.reset": "error",
        # Tells `--once` that it has seen all there is.
        "enable.partition.eof": True,
        # Deals out each topic evenly. The cooperative strategy stops nobody while others join, but counts partitions
        # whatever their topic: of two workers one had all metrics, the other what is idle.
        "partition.assignment.strategy": "roundrobin",
        "max.poll.interval.ms": MAX_POLL_INTERVAL_MS,
        "session.timeout.ms": SESSION_MS,
        "heartbeat.interval.ms": HEARTBEAT_MS,
        # Nothing else notices a damaged message: the worker does not decode.
        "check.crcs": True,
        "isolation.level": "read_committed",
        "queued.max.messages.kbytes": worker.queue_bytes // 1024,
        "queued.min.messages": 10_000,
        "fetch.max.bytes": FETCH_BYTES,
        "fetch.wait.max.ms": 100,
        "fetch.min.bytes": 65_536,
        # A queue that was full is filled again at once, not after a second.
        "fetch.queue.backoff.ms": 50,
        # A damaged batch is tried at each of its offsets.
        "fetch.error.backoff.ms": 100,
        # A connection that a firewall has forgotten is given up after it; the default is a minute of silence.
        "socket.timeout.ms": 20_000,
        # New partitions and vanished topics are seen within it.
        "topic.metadata.refresh.interval.ms": 30_000,
    }
    if worker.instance:
        config["group.instance.id"] = worker.instance
    return config | dict(kafka.options)


def maker(config: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Consumer]:
    """Makes consumers of a configuration, with callbacks."""
    return lambda callbacks: Consumer({"logger": _SILENT, **config, **callbacks})
