"""Everything the worker tells Prometheus, declared once."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from runstream_ingest.batch import Batch
from runstream_ingest.health import Health
from runstream_ingest.observer import Observer
from runstream_ingest.sources.source import Partition

REGISTRY: Final = CollectorRegistry()

# Of the process itself: process_resident_memory_bytes, process_cpu_seconds_total, process_start_time_seconds and more.
ProcessCollector(registry=REGISTRY)

# Messages read from the source. Zero while training goes on means that producers do not reach the log.
MESSAGES_READ = Counter("runstream_ingest_messages_read", "Messages read from the source", registry=REGISTRY)

# Bytes read from the source, before any decoding.
BYTES_READ = Counter("runstream_ingest_bytes_read", "Bytes of messages read from the source", registry=REGISTRY)

# Messages by event and what became of them: stored or dead (put aside). Read minus both is in flight.
MESSAGES = Counter(
    "runstream_ingest_messages", "Messages by event and outcome", ("event", "outcome"), registry=REGISTRY
)

# Metric points by outcome, the number that the ledger of all runs adds up to.
POINTS = Counter("runstream_ingest_points", "Metric points by outcome", ("outcome",), registry=REGISTRY)

# Bytes per batch. Small batches under load mean that the age limit, not the size, ends them.
BATCH_BYTES = Histogram(
    "runstream_ingest_batch_bytes",
    "Bytes per stored batch",
    buckets=(1e3, 1e4, 1e5, 1e6, 4e6, 16e6, 32e6),
    registry=REGISTRY,
)

# Seconds from reading a batch's first message until the batch is stored: this worker's share of the delay.
BATCH_AGE = Histogram(
    "runstream_ingest_batch_age_seconds",
    "Seconds from reading a batch's first message to its being stored",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300),
    registry=REGISTRY,
)

# Seconds per INSERT, failed ones included: a store that hangs must not look fast because only successes were timed.
INSERT_SECONDS = Histogram(
    "runstream_ingest_insert_seconds",
    "Seconds per INSERT, by event and outcome (ok, data, transient, fatal)",
    ("event", "outcome"),
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120),
    registry=REGISTRY,
)

# The same batch sent again, by the store's error code ("none": no answer).
RETRIES = Counter("runstream_ingest_retries", "Batches sent again, by error code", ("code",), registry=REGISTRY)

# Seconds spent waiting between retries; reading stands still meanwhile.
PAUSED_SECONDS = Counter("runstream_ingest_paused_seconds", "Seconds waited before retries", registry=REGISTRY)

# Commits by what the broker answered: "ok" or its error. Errors around a rebalance are usual; only errors are not.
COMMIT_ANSWERS = Counter("runstream_ingest_commits", "Commits answered by the broker", ("outcome",), registry=REGISTRY)

# Messages that wait in each partition read by this worker. Growing means that the workers are too slow or stand still.
LAG = Gauge("runstream_ingest_lag_messages", "Messages not read yet", ("topic", "partition"), registry=REGISTRY)

# Partitions that this worker reads now.
PARTITIONS = Gauge("runstream_ingest_partitions", "Partitions assigned to this worker", registry=REGISTRY)

# The group dealt its partitions anew. More than a few an hour without deployments means that workers come and go.
REBALANCES = Counter("runstream_ingest_rebalances", "Assignments of partitions received", registry=REGISTRY)

# Partitions stopped at an event of a newer runstream: upgrade the workers before its wait is over.
UNKNOWN_SCHEMAS = Counter(
    "runstream_ingest_unknown_schemas", "Partitions stopped at unknown schemas", registry=REGISTRY
)

# Seconds from a producer's handing an event to the broker until it is stored, for the oldest event of each batch.
LATENCY = Histogram(
    "runstream_ingest_latency_seconds",
    "Seconds from the producer's sending to the store, of the oldest event of each batch",
    buckets=(0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 3600),
    registry=REGISTRY,
)

# Runs looked at again because something of them arrived, for diagnoses and summaries of resumed runs. Standing still
# while messages are stored means that diagnoses grow old.
RUNS_RENEWED = Counter("runstream_ingest_runs_renewed", "Runs whose findings were renewed", registry=REGISTRY)

# Seconds for looking at all that were due at once. At most a twentieth of the time goes into it: a diagnosis may then
# be twenty times as old as this.
RENEWAL_SECONDS = Histogram(
    "runstream_ingest_renewal_seconds",
    "Seconds to renew the findings of all runs that are due",
    buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300),
    registry=REGISTRY,
)

# Files or partitions that need a person's eye: foreign, unknown_schema, damaged, truncated, replaced, vanished,
# unreadable, expired, broker.
NOTICES = Counter("runstream_ingest_notices", "Things noticed about the source, by kind", ("kind",), registry=REGISTRY)

# Positions committed. Standing still while messages are read means that nothing is safe yet.
COMMITS = Counter("runstream_ingest_positions_committed", "Positions committed", registry=REGISTRY)

# Unix time of the last stored batch, before the first one that of the start: alert when it is old and messages wait.
LAST_PROGRESS = Gauge(
    "runstream_ingest_last_progress_timestamp", "Unix time of the last stored batch", registry=REGISTRY
)


class PrometheusObserver(Observer):
    """Counts the loop's events in the metrics above, and tells the health of the worker."""

    def __init__(self, health: Health) -> None:
        self._health = health
        LAST_PROGRESS.set(time.time())

    def polled(self, messages: int, size: int) -> None:
        """Messages and their bytes came from the source."""
        MESSAGES_READ.inc(messages)
        BYTES_READ.inc(size)
        if messages:
            self._health.read()

    def stored(self, batch: Batch, messages: int, points: int, age_s: float) -> None:
        """A batch is done; `messages` of it and their points are stored."""
        MESSAGES.labels(batch.schema.event, "stored").inc(messages)
        POINTS.labels("stored").inc(points)
        BATCH_BYTES.observe(batch.bytes)
        BATCH_AGE.observe(age_s)
        LAST_PROGRESS.set(time.time())
        if batch.oldest_ms:
            LATENCY.observe(max(time.time() - batch.oldest_ms / 1000, 0.0))

    def inserted(self, event: str, seconds: float, outcome: str) -> None:
        """One INSERT ended."""
        INSERT_SECONDS.labels(event, outcome).observe(seconds)

    def retrying(self, code: int | None, delay_s: float) -> None:
        """The same batch is sent again after a pause."""
        RETRIES.labels("none" if code is None else str(code)).inc()
        PAUSED_SECONDS.inc(delay_s)

    def dead(self, event: str, messages: int, points: int) -> None:
        """Messages went to the dead letters."""
        MESSAGES.labels(event, "dead").inc(messages)
        POINTS.labels("dead").inc(points)

    def committed(self, partitions: int) -> None:
        """Positions of so many partitions were committed."""
        COMMITS.inc(partitions)

    def commit_answered(self, error: str | None) -> None:
        """The broker answered a commit."""
        COMMIT_ANSWERS.labels(error or "ok").inc()

    def rebalanced(self, partitions: int) -> None:
        """The group's partitions were dealt anew."""
        REBALANCES.inc()
        PARTITIONS.set(partitions)

    def settled(self, waiting_since: float | None) -> None:
        """Batches were stored or dropped; the oldest of the rest was opened then."""
        self._health.settled(waiting_since)

    def lag(self, partition: Partition, messages: int | None) -> None:
        """So many messages wait in a partition; None when another worker reads it now."""
        if messages is not None:
            LAG.labels(*partition).set(messages)
        else:
            with suppress(KeyError):
                LAG.remove(*partition)

    def unknown_schema(self) -> None:
        """A partition waits for a newer version of runstream."""
        UNKNOWN_SCHEMAS.inc()

    def turned(self) -> None:
        """The loop lives."""
        self._health.turned()

    def noticed(self, kind: str) -> None:
        """The source has something to tell a person."""
        NOTICES.labels(kind).inc()

    def renewed(self, runs: int, seconds: float) -> None:
        """So many runs were looked at, and their findings written down."""
        RUNS_RENEWED.inc(runs)
        RENEWAL_SECONDS.observe(seconds)
