"""Workers of one group that come, go, die and freeze under load: nothing is lost, and nothing is shown twice."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import http_stores
import kafka_tasks
from confluent_kafka import Producer
from ingest_support import RUN, batch_record, history
from kafka_worker import QUICK, RunningWorker, ask, assignments, committed, members, stored_seqs, until

from broker.kafka import Cluster
from http_front.control import RunningFront
from runstream_schemas import avro
from runstream_schemas.avro import EVENT_NAMES
from runstream_schemas.exit_codes import ExitCode
from runstream_schemas.kafka import message_key

pytest_plugins = ("http_front.fixture", "http_fixtures")

PARTITIONS = 4
RANKS = 16
"""So many keys meet all partitions."""


GUESTS = 3
KILLS = int(os.environ.get("RUNSTREAM_TEST_KILLS_UNDER_LOAD", "5"))
"""More of them show more; tests/pipeline kills a worker for a minute."""


class Load:
    """Batches of many ranks, sent at a steady rate until told to stop."""

    def __init__(self, broker: Cluster, prefix: str, per_second: int = 200) -> None:
        self._topic = f"{prefix}.metric"
        self._producer = Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True, "log_level": 0})
        self._pause_s = 1 / per_second
        self._stop = threading.Event()
        self.sent: list[tuple[str, int, int]] = []

    @contextmanager
    def running(self) -> Iterator["Load"]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()
            assert self._producer.flush(60) == 0

    def _run(self) -> None:
        schema = avro.current("metric")
        number = 0
        while not self._stop.wait(self._pause_s):
            rank, seq = number % RANKS, number // RANKS
            value = schema.encode(batch_record(seq, rows=2) | {"rank": rank})
            self._producer.produce(self._topic, value, message_key(RUN, rank))
            self._producer.poll(0)
            self.sent.append((str(RUN), rank, seq))
            number += 1


def environment(tmp_path: Path, broker: Cluster, prefix: str, store: str, **more: str) -> dict[str, str]:
    own = {"RUNSTREAM_STORE": store, "RUNSTREAM_KAFKA_OPTIONS": QUICK, "RUNSTREAM_INGEST_BATCH_AGE_S": "0.1"}
    return kafka_tasks.worker_environment(tmp_path, broker.url, prefix, **{**own, **more})


def assert_complete(broker: Cluster, prefix: str, store: str, tmp_path: Path, load: Load) -> None:
    """What a last worker leaves: every batch once, every point once, every position at the end."""
    assert kafka_tasks.drain(environment(tmp_path, broker, prefix, store)).returncode == 0
    assert stored_seqs(store, tmp_path) == sorted(load.sent)
    assert ask(store, tmp_path, "SELECT count() FROM points") == [(4 * len(load.sent),)]
    positions = committed(broker, prefix)
    assert sum(positions.get(("metric", number), 0) for number in range(PARTITIONS)) == len(load.sent)


def test_a_frozen_worker_that_thaws_in_the_middle_of_an_insert_harms_nobody(
    broker: Cluster, prefix: str, tmp_path: Path, url: str, front: RunningFront
) -> None:
    kafka_tasks.make_topics(broker.url, prefix)
    environ = environment(tmp_path, broker, prefix, url)
    with ExitStack() as stack:
        frozen = stack.enter_context(RunningWorker(environ))
        until(lambda: members(broker, prefix) == [6])
        front.fail("hold", table="^landing_metric$")
        kafka_tasks.produce(broker.url, prefix, {"metric": [batch_record(0)]})
        front.inserts(holding=1)
        frozen.signal(signal.SIGSTOP)
        heir = stack.enter_context(RunningWorker(environ))
        until(lambda: members(broker, prefix) == [6] and heir.metric("partitions") == 6)
        kafka_tasks.produce(broker.url, prefix, {"metric": [batch_record(1), batch_record(2)]})
        until(lambda: committed(broker, prefix).get(("metric", 0)) == 3)
        before = http_stores.shown(url, tmp_path)
        front.release()
        frozen.signal(signal.SIGCONT)
        # It finds out that it was thrown out, and comes back as a member like any other.
        until(lambda: sum(members(broker, prefix)) == 6 and len(members(broker, prefix)) == 2)
        until(lambda: frozen.metric("partitions") + heir.metric("partitions") == 6)
        assert committed(broker, prefix)["metric", 0] == 3
        assert http_stores.shown(url, tmp_path) == before
        kafka_tasks.produce(broker.url, prefix, {"metric": [batch_record(3)]})
        until(lambda: committed(broker, prefix).get(("metric", 0)) == 4)
        assert frozen.metric("rebalances_total") <= 4, "no storm"
        assert [worker.stop() for worker in (frozen, heir)] == [0, 0]
    assert [seq for _, _, seq in stored_seqs(url, tmp_path)] == [0, 1, 2, 3]


def test_workers_share_every_topic_evenly(broker: Cluster, prefix: str, tmp_path: Path, url: str) -> None:
    kafka_tasks.make_topics(broker.url, prefix, partitions=6)
    environ = environment(tmp_path, broker, prefix, url)
    with ExitStack() as stack:
        for workers in (1, 2, 3):
            stack.enter_context(RunningWorker(environ))
            even = [dict.fromkeys(EVENT_NAMES, 6 // workers)] * workers
            until(lambda even=even: [Counter(dealt) for dealt in assignments(broker, prefix)] == even)


def test_workers_that_join_and_leave_under_load_lose_nothing_and_read_little_twice(
    broker: Cluster, prefix: str, tmp_path: Path, url: str
) -> None:
    kafka_tasks.make_topics(broker.url, prefix, partitions=PARTITIONS)
    environ = environment(tmp_path, broker, prefix, url)
    read = 0.0
    with Load(broker, prefix).running() as load, ExitStack() as stack:
        steady = stack.enter_context(RunningWorker(environ))
        until(lambda: steady.metric("partitions") == 6 * PARTITIONS)
        for _ in range(GUESTS):
            guest = stack.enter_context(RunningWorker(environ))
            until(lambda guest=guest: guest.metric("messages_total", outcome="stored") > 0)
            read += guest.metric("messages_read_total")
            assert guest.stop() == 0
        until(lambda: steady.metric("partitions") == 6 * PARTITIONS)
        read += steady.metric("messages_read_total")
        assert steady.metric("rebalances_total") <= 1 + 2 * 2 * GUESTS, "no storm"
        assert steady.stop() == 0
    assert_complete(broker, prefix, url, tmp_path, load)
    assert read < 1.2 * len(load.sent)


def test_workers_killed_again_and_again_under_load_lose_nothing(
    broker: Cluster, prefix: str, tmp_path: Path, url: str
) -> None:
    kafka_tasks.make_topics(broker.url, prefix, partitions=PARTITIONS)
    environ = environment(tmp_path, broker, prefix, url)
    dice = random.Random(4)
    with Load(broker, prefix).running() as load, ExitStack() as stack:
        workers = [stack.enter_context(RunningWorker(environ)) for _ in range(2)]
        for _ in range(KILLS):
            victim = dice.randrange(2)
            # Not what it has stored: all of its partitions may be of topics that nobody writes to.
            until(lambda victim=victim: workers[victim].metric("partitions") > 0)
            time.sleep(dice.random())
            workers[victim].signal(signal.SIGKILL)
            workers[victim] = stack.enter_context(RunningWorker(environ))
    assert_complete(broker, prefix, url, tmp_path, load)


def test_events_that_come_three_times_in_other_batches_to_two_workers_change_nothing(
    broker: Cluster, prefix: str, tmp_path: Path, url: str, model: dict[str, list[str]]
) -> None:
    kafka_tasks.make_topics(broker.url, prefix, partitions=2)
    kafka_tasks.produce(broker.url, prefix, history())
    environ = environment(tmp_path, broker, prefix, url, RUNSTREAM_INGEST_BATCH_AGE_S="0")
    assert kafka_tasks.drain(environ).returncode == 0
    assert http_stores.shown(url, tmp_path) == model
    for number, again in enumerate([shuffled(prefix), backwards(prefix)], start=1):
        # Old events after new ones, dealt to the partitions and batches in another way.
        kafka_tasks.send(broker.url, again)
        other = environ | {"RUNSTREAM_INGEST_GROUP": f"{prefix}.again{number}"}
        with RunningWorker(other) as one, RunningWorker(other) as two:
            for worker in (one, two):
                until(lambda worker=worker: worker.metric("partitions") == 6)
            wait_for_stored([one, two], sum(map(len, history().values())) * (number + 1))
            assert [worker.stop() for worker in (one, two)] == [0, 0]
        assert http_stores.shown(url, tmp_path) == model
        # These alone, after all others.
        assert kafka_tasks.drain(environ).returncode == 0
        assert http_stores.shown(url, tmp_path) == model


def wait_for_stored(workers: Sequence[RunningWorker], messages: int) -> None:
    until(lambda: sum(worker.metric("messages_total", outcome="stored") for worker in workers) >= messages)


def shuffled(prefix: str) -> Sequence[tuple[str, bytes, bytes]]:
    """All partitions have something of everything."""
    events = [(topic, str(number).encode(), value) for number, (topic, _, value) in enumerate(backwards(prefix))]
    random.Random(0).shuffle(events)
    return events


def backwards(prefix: str) -> Sequence[tuple[str, bytes, bytes]]:
    """The oldest event of each topic comes last."""
    return [
        (f"{prefix}.{event}", b"", avro.current(event).encode(record))
        for event, records in history().items()
        for record in reversed(records)
    ]


def test_two_workers_of_one_name_do_not_both_go_on(broker: Cluster, prefix: str, tmp_path: Path, url: str) -> None:
    kafka_tasks.make_topics(broker.url, prefix)
    environ = environment(tmp_path, broker, prefix, url, RUNSTREAM_INGEST_INSTANCE="pod-0")
    with RunningWorker(environ) as first:
        until(lambda: members(broker, prefix) == [6])
        with RunningWorker(environ) as second:
            assert first.ended() == ExitCode.LOG_FAILED
            assert "give each its own" in first.lines()[-1]["message"]
            kafka_tasks.produce(broker.url, prefix, {"metric": [batch_record(0)]})
            until(lambda: committed(broker, prefix).get(("metric", 0)) == 1)
            assert second.stop() == 0
