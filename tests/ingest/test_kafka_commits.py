"""Commits that the broker refuses or never answers: the loop lives on, and the position gets there in the end."""

import threading
import time
from pathlib import Path

import kafka_tasks
import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition
from ingest_support import batch_record
from kafka_worker import QUICK, RunningWorker, committed, until
from mock_cluster import OFFSET_COMMIT, MockCluster
from scripted import Bench, FakeStore

from broker.kafka import Cluster
from runstream_ingest.batch import Batcher
from runstream_ingest.clock import SystemClock
from runstream_ingest.consumer import consumer_config, maker
from runstream_ingest.loop import Loop
from runstream_ingest.observer import Observer
from runstream_ingest.settings import WorkerSettings, load
from runstream_ingest.sources.kafka import KafkaTopics
from runstream_schemas import avro
from runstream_schemas.kafka import KafkaSettings

pytest_plugins = ("http_front.fixture", "http_fixtures")

TOPIC = "t.metric"
TOLD = (KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.REBALANCE_IN_PROGRESS)
RETRIED = (KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.NOT_COORDINATOR, KafkaError.REQUEST_TIMED_OUT)
"""The client itself sends the commit again and tells nobody."""
QUICKER = "session.timeout.ms=1000,heartbeat.interval.ms=100"
"""A member that the mock cluster throws out comes back when its session is over."""


class Answers(Observer):
    def __init__(self) -> None:
        self.commits: list[str | None] = []

    def commit_answered(self, error: str | None) -> None:
        self.commits.append(error)


def worker_settings() -> WorkerSettings:
    return load("t", {}, environ={}, cwd=Path("/"))


@pytest.mark.parametrize("code", TOLD + RETRIED)
def test_the_loop_survives_a_refused_commit_and_the_position_gets_there(code: int, bench: Bench) -> None:
    answers = Answers()
    store = FakeStore()
    with MockCluster(TOPIC, 1) as cluster:
        kafka_tasks.send(
            cluster.url,
            [(TOPIC, b"k", avro.current("metric").encode(batch_record(seq, rows=1))) for seq in range(3)],
            **{"enable.idempotence": False},
        )
        kafka = KafkaSettings(options=dict(pair.split("=") for pair in QUICKER.split(",")))
        source = KafkaTopics(
            maker(consumer_config(cluster.url, kafka, worker_settings())),
            {TOPIC: "metric"},
            clock=SystemClock(),
            observer=answers,
            unknown_schema_wait_s=300.0,
        )
        cluster.fail_next(OFFSET_COMMIT, [code] * 2)
        bench.delivery.observer, bench.delivery.clock = answers, SystemClock()
        limit = time.monotonic() + 20

        def ends(idle: bool) -> bool:
            assert time.monotonic() < limit, answers.commits
            return None in answers.commits

        Loop(source, lambda: store, bench.delivery, Batcher(max_age_s=0.0)).run(ends)
        name = KafkaError(code).name()
        assert [said for said in answers.commits if said] == [name] * (2 if code in TOLD else 0)
        assert cluster.requests(OFFSET_COMMIT) > 2, "two refused ones, and one that was taken"
        assert len(set(store.stored)) == 3
        assert position(cluster.url) == 3
        source.close()


def position(url: str) -> int:
    """Where the group stands."""
    reader = Consumer({"bootstrap.servers": url.removeprefix("kafka://"), "group.id": "t.ingest"})
    (place,) = reader.committed([TopicPartition(TOPIC, 0)], timeout=30)
    reader.close()
    offset: int = place.offset
    return offset


def test_a_worker_whose_broker_falls_silent_goes_on_when_it_speaks_again(
    own_broker: Cluster, prefix: str, tmp_path: Path, url: str
) -> None:
    (node,) = own_broker.nodes
    kafka_tasks.make_topics(own_broker.url, prefix)
    options = f"{QUICK},socket.timeout.ms=1000"
    environ = kafka_tasks.worker_environment(
        tmp_path, own_broker.url, prefix, RUNSTREAM_STORE=url, RUNSTREAM_KAFKA_OPTIONS=options
    )
    with RunningWorker(environ) as worker:
        kafka_tasks.produce(own_broker.url, prefix, {"metric": [batch_record(0)]})
        until(lambda: committed(own_broker, prefix).get(("metric", 0)) == 1)
        own_broker.pause(node)
        # Longer than a request waits for its answer, and than the session.
        silent_for(3.0)
        assert worker.health()[0] == 200
        own_broker.resume(node)
        kafka_tasks.produce(own_broker.url, prefix, {"metric": [batch_record(1)]})
        until(lambda: committed(own_broker, prefix).get(("metric", 0)) == 2)
        own_broker.pause(node)
        assert worker.stop() == 0, "a stop does not wait for ever for a broker"
        own_broker.resume(node)


def silent_for(seconds: float) -> None:
    threading.Event().wait(seconds)
