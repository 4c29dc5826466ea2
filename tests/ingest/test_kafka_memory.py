"""A backlog of the largest events in front of a store that takes nothing: memory stays bounded."""

from pathlib import Path

import kafka_tasks
from ingest_support import RUN, batch_record
from kafka_worker import QUICK, RunningWorker, committed, until

from broker.kafka import Cluster
from http_front.control import RunningFront
from runstream_schemas import avro
from runstream_schemas.kafka import message_key
from runstream_schemas.limits import MAX_EVENT_BYTES

pytest_plugins = ("http_front.fixture", "http_fixtures")

MIB = 1024 * 1024
BACKLOG = 400
"""Events of 880 kB in two partitions: 350 MB, many times what may be in memory."""

QUEUE_BYTES, BATCH_BYTES = 16 * MIB, 4 * MIB

CAP_BYTES = 200 * MIB
"""The program itself (some 80 MB), the queue, one answer of the broker, what one poll took from the queue, and two
batches with a copy each on the way to the store; measured 112 MB."""


def test_memory_is_bounded_however_long_the_backlog_and_the_outage(
    broker: Cluster, prefix: str, tmp_path: Path, url: str, front: RunningFront
) -> None:
    kafka_tasks.make_topics(broker.url, prefix, partitions=2)
    value = avro.current("metric").encode(batch_record(0, rows=33_000))
    assert 0.95 * MAX_EVENT_BYTES < len(value) <= MAX_EVENT_BYTES
    keys = [message_key(RUN, rank) for rank in range(16)]
    kafka_tasks.send(
        broker.url, [(f"{prefix}.metric", keys[n % 16], value) for n in range(BACKLOG)], **{"compression.type": "zstd"}
    )
    front.refuse(241, times=100_000)
    environ = kafka_tasks.worker_environment(
        tmp_path,
        broker.url,
        prefix,
        RUNSTREAM_STORE=url,
        RUNSTREAM_KAFKA_OPTIONS=QUICK,
        RUNSTREAM_INGEST_QUEUE_BYTES=str(QUEUE_BYTES),
        RUNSTREAM_INGEST_BATCH_BYTES=str(BATCH_BYTES),
    )
    with RunningWorker(environ) as worker:
        until(lambda: worker.metric("retries_total") >= 12)
        read = worker.metric("bytes_read_total")
        assert read < 2 * QUEUE_BYTES + 4 * BATCH_BYTES
        assert peak_bytes(worker.process.pid) < CAP_BYTES
        assert worker.stop() == 0
    assert max(committed(broker, prefix).values(), default=0) <= 0


def peak_bytes(pid: int) -> int:
    """The most memory that a process has ever had at a time."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
