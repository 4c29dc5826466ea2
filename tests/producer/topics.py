"""What the topics of a test hold, by a plain consumer."""

import os
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

from broker.kafka import Cluster, Node
from runstream.sync import Recovered, sync_journals, sync_spills
from runstream_schemas import avro
from runstream_schemas.settings import Settings, load

QUICK = "message.timeout.ms=1500,topic.metadata.propagation.max.ms=1500"
"""A delivery timeout that a test can wait for."""


@dataclass(frozen=True)
class Record:
    """One message of a topic."""

    event: str
    partition: int
    key: str
    value: bytes

    @property
    def content(self) -> dict[str, Any]:
        return avro.decode(self.value)[1]


def client(url: str) -> dict[str, str]:
    return {"bootstrap.servers": url.removeprefix("kafka://"), "log_level": "0"}


def make_topics(url: str, prefix: str, *, partitions: int = 1, but: str = "", **config: str) -> None:
    """The six topics, or all but one."""
    for event in avro.EVENT_NAMES:
        if event != but:
            make_topic(url, avro.topic(event, prefix), partitions=partitions, **config)


def make_and_leave(cluster: Cluster, prefix: str) -> Node:
    """The six topics at a broker that is away from then on; the node to start again."""
    make_topics(cluster.url, prefix)
    (node,) = cluster.nodes
    cluster.stop(node)
    return node


def make_topic(url: str, name: str, *, partitions: int = 1, **config: str) -> None:
    """One topic, with the replicas that the broker gives by default."""
    settings = {option.replace("_", "."): value for option, value in config.items()}
    admin = AdminClient(client(url))
    admin.create_topics([NewTopic(name, partitions, -1, config=settings)])[name].result(20)


def alter(url: str, topic: str, option: str, value: str) -> None:
    """Change one option of a topic."""
    entry = ConfigEntry(option, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient(client(url))
    admin.incremental_alter_configs([resource])[resource].result(20)


def records(url: str, prefix: str) -> list[Record]:
    """All that the topics hold now, in the order of each partition."""
    config = {"group.id": uuid.uuid4().hex, "enable.auto.commit": "false", "check.crcs": "true"}
    consumer = Consumer({**client(url), **config})
    try:
        topics = consumer.list_topics(timeout=20).topics
        places = [
            TopicPartition(name, number, OFFSET_BEGINNING)
            for name, topic in topics.items()
            if name.startswith(f"{prefix}.")
            for number in topic.partitions
        ]
        ends = {(p.topic, p.partition): consumer.get_watermark_offsets(p, timeout=20)[1] for p in places}
        waiting = {place: end for place, end in ends.items() if end}
        consumer.assign([place for place in places if (place.topic, place.partition) in waiting])
        found = []
        while waiting:
            for message in consumer.consume(500, 0.1):
                assert message.error() is None, message.error()
                event = message.topic().removeprefix(f"{prefix}.")
                found.append(Record(event, message.partition(), message.key().decode(), message.value()))
                place = (message.topic(), message.partition())
                if message.offset() + 1 >= ends[place]:
                    waiting.pop(place, None)
        return found
    finally:
        consumer.close()


def points(found: list[Record]) -> dict[str, list[tuple[int, float]]]:
    """(step, value) by metric, sorted; a batch that is there twice counts once, and must be the same."""
    batches: dict[tuple[Any, ...], bytes] = {}
    for record in found:
        if record.event == "metric":
            batch = record.content
            identity = (batch["run_id"], batch["rank"], batch["attempt"], batch["seq"])
            assert batches.setdefault(identity, record.value) == record.value, "one seq with two contents"
    series: dict[str, list[tuple[int, float]]] = {}
    for value in batches.values():
        for frame in avro.decode(value)[1]["frames"]:
            for column in frame["columns"]:
                series.setdefault(column["metric"], []).extend(zip(frame["steps"], column["values"], strict=True))
    return {metric: sorted(values) for metric, values in series.items()}


def steps(found: list[Record], metric: str = "m") -> list[int]:
    return [step for step, _ in points(found).get(metric, [])]


def ends(found: list[Record]) -> list[dict[str, Any]]:
    """The final status events, each once."""
    final = {record.value: record.content for record in found if record.event == "status" and record.content["final"]}
    return list(final.values())


def spilled(directory: Path) -> list[Path]:
    """Segments in the spills below a RUNSTREAM_DIR."""
    return sorted((directory / "spill").rglob("*.avro"))


def arrived(cluster: Cluster, prefix: str, event: str = "metric") -> int:
    """How many events of a kind a topic of one partition has had; 0 while the broker cannot tell."""
    try:
        return cluster.end_offset(avro.topic(event, prefix))
    except KafkaException:
        return 0


def wait_until(reached: Callable[[], Any], timeout_s: float = 60) -> None:
    until = time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.02)


def trainer(directory: Path, url: str, prefix: str, body: str, **environ: str) -> subprocess.Popen[str]:
    """A Python process that has made `run` in the directory, and can `wait_for_spill()`."""
    code = "import os, signal, sys, time\nimport runstream\n"
    code += f"def wait_for_spill(spill={str(directory / 'spill')!r}):\n"
    code += "    while not any(files for *_, files in os.walk(spill) if 'lock' not in files): time.sleep(0.01)\n"
    code += f"run = runstream.init('test', dir={str(directory)!r}, url={url!r})\n"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RUNSTREAM_")}
    return subprocess.Popen(
        [sys.executable, "-c", code + textwrap.dedent(body)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**clean, "RUNSTREAM_SYSTEM_PERIOD_S": "0", "RUNSTREAM_TOPIC_PREFIX": prefix, **environ},
    )


def line_of(process: subprocess.Popen[str]) -> str:
    """The next line that it prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def settings_of(directory: Path, **more: str) -> Settings:
    """Those of whoever runs `sync` there: nothing tells where the broker is but what was left behind."""
    return load(dir=directory, environ={}, **more)


def sync(directory: Path) -> list[Recovered]:
    settings = settings_of(directory)
    return [*sync_journals(settings, timeout_s=20), *sync_spills(settings, timeout_s=20)]
