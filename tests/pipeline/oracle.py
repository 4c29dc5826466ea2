"""Whether a pipeline holds exactly what was logged: the ledgers, the points, the batches, and the messages."""

import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import kafka_tasks
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from http_stores import settings_for
from ingest_support import everything
from whole_pipeline import Pipeline
from witness import Life

from runstream_ingest.store import open_store
from runstream_schemas import avro


def assert_all_is_there(pipeline: Pipeline) -> None:
    """Every ledger is complete, and every point is there that was logged, once; and every batch, with one content."""
    verified = pipeline.command("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert_points(pipeline, [trainer.life for trainer in pipeline.trainers])
    assert_batches(pipeline)


def assert_points(pipeline: Pipeline, lives: list[Life]) -> None:
    """The visible points are those that the processes wrote down. Whoever was killed had one `log` on its way."""
    stored = stored_points(pipeline)
    for life in lives:
        steps = len(stored.get((life.run_id, life.rank, life.attempt, "lr"), ()))
        assert life.returned <= life.first + steps <= life.begun, life
        for series, values in life.points(steps).items():
            assert stored.pop(series, []) == values, f"{series} of {life}"
    assert not stored, f"points that nobody logged: {stored.keys()}"
    (distinct,) = pipeline.ask("SELECT uniqExact(metric, run_id, rank, attempt, step, time), count() FROM point FINAL")
    (shown,) = pipeline.ask("SELECT count() FROM points")
    assert distinct == (shown[0], shown[0])


def stored_points(pipeline: Pipeline) -> dict[tuple[str, int, int, str], list[tuple[int, str]]]:
    """(step, value as text) of what is visible, by run, rank, attempt and metric."""
    query = """
        SELECT toString(run_id), rank, attempt, toString(metric), arraySort(p -> p.1, groupArray((step, value)))
        FROM points GROUP BY run_id, rank, attempt, metric
    """
    return {tuple(key): [(step, repr(value)) for step, value in points] for *key, points in pipeline.ask(query)}


def assert_batches(pipeline: Pipeline) -> None:
    """Each seq is there once, without a gap, with the points of its message, which has one content each time."""
    stored = pipeline.ask("SELECT toString(run_id), rank, attempt, seq, points FROM batch FINAL ORDER BY ALL")
    seqs: dict[tuple[Any, ...], list[int]] = {}
    for *attempt, seq, _ in stored:
        seqs.setdefault(tuple(attempt), []).append(seq)
    assert all(found == list(range(len(found))) for found in seqs.values()), seqs
    contents: dict[tuple[Any, ...], bytes] = {}
    sent = Counter[tuple[Any, ...]]()
    for value in messages(pipeline, "metric"):
        batch = avro.decode(value)[1]
        identity = (str(batch["run_id"]), batch["rank"], batch["attempt"], batch["seq"])
        assert contents.setdefault(identity, value) == value, f"{identity} has two contents"
        points = sum(len(frame["steps"]) * len(frame["columns"]) for frame in batch["frames"])
        sent[(*identity, points)] += 1
    assert stored == sorted(sent)
    print(f"{len(stored)} batches in {sent.total()} messages")


def messages(pipeline: Pipeline, event: str) -> list[bytes]:
    """All values of a topic, by partition in their order."""
    brokers = pipeline.cluster.bootstrap
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": uuid.uuid4().hex, "log_level": 0})
    topic = avro.topic(event, pipeline.prefix)
    try:
        ends = {
            number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=20)[1]
            for number in range(pipeline.partitions)
        }
        waiting = {number: end for number, end in ends.items() if end}
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in waiting])
        values = []
        while waiting:
            for message in consumer.consume(500, 0.1):
                assert message.error() is None, message.error()
                values.append(message.value())
                if message.offset() + 1 >= ends[message.partition()]:
                    waiting.pop(message.partition(), None)
        return values
    finally:
        consumer.close()


def assert_a_replay_shows_the_same(pipeline: Pipeline, store: str) -> None:
    """A store that reads the topics now, all at once and without any trouble, shows the same in every view."""
    more = {"RUNSTREAM_STORE": store, "RUNSTREAM_INGEST_GROUP": f"{pipeline.prefix}.replay"}
    environ = kafka_tasks.worker_environment(pipeline.directory, pipeline.cluster.url, pipeline.prefix, **more)
    done = kafka_tasks.drain(environ)
    assert done.returncode == 0, done.stderr
    assert shown(store, pipeline.directory) == shown(pipeline.store, pipeline.directory)


def shown(store: str, directory: Path) -> dict[str, list[str]]:
    """The rows of every view and of the tables behind the charts, of a store on a server."""
    with open_store(settings_for(store, directory)) as opened:
        return everything(opened)
