"""Topics that vanish, forget or are damaged: what can be read is read, and what cannot is said."""

from pathlib import Path

import kafka_tasks
import pytest
from confluent_kafka import Consumer, TopicPartition
from ingest_support import batch_record
from kafka_worker import QUICK, RunningWorker, committed, letters, stored_seqs, until
from worker_process import WORKER

from broker.kafka import Cluster
from runstream_schemas import avro

pytest_plugins = ("http_front.fixture", "http_fixtures")

BATCH_OVERHEAD = 12
"""Base offset and length of a record batch in the log; the length counts what follows."""
LAST_OFFSET_DELTA = 24
"""Where in a record batch stands how many offsets it has, without the first byte, which would make it negative."""

OPTIONS = f"{QUICK},topic.metadata.refresh.interval.ms=500,topic.metadata.propagation.max.ms=500"


def environment(tmp_path: Path, broker: Cluster, prefix: str, store: str) -> dict[str, str]:
    own = {"RUNSTREAM_STORE": store, "RUNSTREAM_KAFKA_OPTIONS": OPTIONS}
    return kafka_tasks.worker_environment(tmp_path, broker.url, prefix, **own)


def send(broker: Cluster, prefix: str, *seqs: int) -> None:
    kafka_tasks.produce(broker.url, prefix, {"metric": [batch_record(seq, rows=2) for seq in seqs]})


def value_of(seq: int) -> bytes:
    return avro.current("metric").encode(batch_record(seq, rows=2))


def seqs_in(store: str, tmp_path: Path) -> list[int]:
    return [seq for _, _, seq in stored_seqs(store, tmp_path)]


def test_a_topic_that_vanishes_and_comes_back_is_read_from_its_first_event(
    broker: Cluster, prefix: str, tmp_path: Path, url: str
) -> None:
    kafka_tasks.make_topics(broker.url, prefix)
    topic = f"{prefix}.metric"
    code = "import runstream_ingest.worker as w; w.LOOK_AT_TOPICS_EVERY_S = w.REPORT_EVERY_S = 0.5; " + WORKER
    with RunningWorker(environment(tmp_path, broker, prefix, url), code=code) as worker:
        send(broker, prefix, 0, 1, 2)
        until(lambda: committed(broker, prefix).get(("metric", 0)) == 3)
        admin = broker.admin()
        admin.delete_topics([topic])[topic].result(30)
        line = worker.wait_for_words("missing")
        assert line["level"] == "warning"
        assert topic in line["message"]
        assert "runstream topics create" in line["message"]
        until(lambda: topic not in admin.list_topics(timeout=10).topics)
        kafka_tasks.make_topics(broker.url, prefix)
        send(broker, prefix, 10, 11)
        until(lambda: committed(broker, prefix).get(("metric", 0)) == 2)
        send(broker, prefix, 12, 13)
        until(lambda: committed(broker, prefix).get(("metric", 0)) == 4)
        assert worker.stop() == 0
    assert seqs_in(url, tmp_path) == [0, 1, 2, 10, 11, 12, 13]


def test_events_that_expired_before_they_were_read_are_told_and_reading_goes_on(
    broker: Cluster, prefix: str, tmp_path: Path, url: str
) -> None:
    kafka_tasks.make_topics(broker.url, prefix)
    environ = environment(tmp_path, broker, prefix, url)
    send(broker, prefix, 0)
    assert kafka_tasks.drain(environ).returncode == 0
    send(broker, prefix, *range(1, 6))
    admin = broker.admin()
    admin.delete_records([TopicPartition(f"{prefix}.metric", 0, 4)])[TopicPartition(f"{prefix}.metric", 0)].result(30)
    with RunningWorker(environ) as worker:
        line = worker.wait_for_words("no longer holds offset 1")
        assert (line["kind"], line["place"], line["level"]) == ("expired", f"{prefix}.metric/0", "warning")
        until(lambda: committed(broker, prefix).get(("metric", 0)) == 6)
        assert worker.stop() == 0
    assert seqs_in(url, tmp_path) == [0, 4, 5]


def test_a_position_beyond_the_end_is_told_and_the_topic_is_read_from_its_first_event(
    broker: Cluster, prefix: str, tmp_path: Path, url: str
) -> None:
    kafka_tasks.make_topics(broker.url, prefix)
    send(broker, prefix, 0, 1)
    setter = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": f"{prefix}.ingest"})
    setter.commit(offsets=[TopicPartition(f"{prefix}.metric", 0, 1000)], asynchronous=False)
    setter.close()
    done = kafka_tasks.drain(environment(tmp_path, broker, prefix, url))
    assert done.returncode == 0, done.stderr
    assert "no longer holds offset 1000" in done.stderr
    assert committed(broker, prefix)["metric", 0] == 2
    assert seqs_in(url, tmp_path) == [0, 1]


def test_everything_expired_is_no_reason_to_wait(broker: Cluster, prefix: str, tmp_path: Path, url: str) -> None:
    kafka_tasks.make_topics(broker.url, prefix)
    send(broker, prefix, 0, 1)
    admin = broker.admin()
    place = TopicPartition(f"{prefix}.metric", 0, 2)
    admin.delete_records([place])[TopicPartition(f"{prefix}.metric", 0)].result(30)
    for _ in range(2):
        assert kafka_tasks.drain(environment(tmp_path, broker, prefix, url)).returncode == 0
    assert seqs_in(url, tmp_path) == []


@pytest.mark.parametrize(("damaged", "compression"), [("events", "none"), ("events", "zstd"), ("header", "none")])
def test_a_batch_damaged_on_the_disk_of_the_broker_is_told_and_nothing_else_is_lost(
    damaged: str, compression: str, own_broker: Cluster, prefix: str, tmp_path: Path, url: str
) -> None:
    kafka_tasks.make_topics(own_broker.url, prefix)
    send(own_broker, prefix, 0)
    # One batch of three events.
    kafka_tasks.send(
        own_broker.url,
        [(f"{prefix}.metric", b"", value_of(seq)) for seq in (1, 2, 3)],
        **{"linger.ms": 500, "compression.type": compression},
    )
    send(own_broker, prefix, 4)
    (node,) = own_broker.nodes
    own_broker.stop(node)
    segment = node.directory / "data" / f"{prefix}.metric-0" / f"{0:020d}.log"
    data = bytearray(segment.read_bytes())
    second = BATCH_OVERHEAD + int.from_bytes(data[8:12], "big")
    data[second + (80 if damaged == "events" else LAST_OFFSET_DELTA)] ^= 0xFF
    segment.write_bytes(data)
    own_broker.start(node)
    own_broker.wait_until_ready()
    environ = environment(tmp_path, own_broker, prefix, url)
    with RunningWorker(environ) as worker:
        line = worker.wait_for_words("is damaged at the broker")
        assert (line["kind"], line["place"]) == ("damaged", f"{prefix}.metric/0")
        assert "from offset 1" in line["message"]
        until(lambda: committed(own_broker, prefix).get(("metric", 0)) == 5)
        assert worker.metric("messages_read_total") == 2, "nothing is read in circles"
        assert worker.stop() == 0
    assert seqs_in(url, tmp_path) == [0, 4]
    assert letters(own_broker, prefix) == []
