"""In the network of network.py: format and start Kafka exactly as its image does, and tell as JSON what it is like."""

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from broker import jars

START_S = 60.0


def main(properties: str, cluster_id: str, heap: str, *make_topics: str) -> None:
    # The volume of the data. Over all of /var/lib, because the directory need not exist.
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/var/lib"], check=True)
    Path("/var/lib/kafka/data").mkdir(parents=True)
    tool = [
        *jars.java(*jars.QUICK),
        "kafka.tools.StorageTool",
        "format",
        f"--cluster-id={cluster_id}",
        "-c",
        properties,
    ]
    subprocess.run(tool, check=True, stdout=sys.stderr)
    broker = subprocess.Popen([*jars.java(*shlex.split(heap)), "kafka.Kafka", properties], stdout=sys.stderr)
    try:
        admin = AdminClient({"bootstrap.servers": "kafka:9092"})
        wait_for(admin, broker)
        admin.create_topics([NewTopic("t", 1)])["t"].result(30)
        made = subprocess.run(make_topics, check=False, capture_output=True, text=True, timeout=60)
        told = {
            "properties": broker_properties(admin),
            "through": {server: round_trip(server) for server in ("kafka:9092", "127.0.0.1:9094")},
            "unknown topic": produce("kafka:9092", "not-there"),
            "making topics": "" if made.returncode == 0 else made.stdout + made.stderr,
            "topics": {name: len(topic.partitions) for name, topic in admin.list_topics(timeout=10).topics.items()},
        }
        broker.terminate()
        told["stopped with"] = broker.wait(60)
        print(json.dumps(told))
    finally:
        broker.kill()


def wait_for(admin: AdminClient, broker: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            admin.list_topics(timeout=1)
            return
        except KafkaException:
            if broker.poll() is not None or time.monotonic() > until:
                raise


def broker_properties(admin: AdminClient) -> dict[str, str]:
    resource = ConfigResource(ResourceType.BROKER, "1")
    return {name: entry.value for name, entry in admin.describe_configs([resource])[resource].result(30).items()}


def produce(server: str, topic: str) -> str:
    """Empty, or the error's name."""
    outcome: list[Any] = []
    options: dict[str, Any] = {"bootstrap.servers": server, "enable.idempotence": True, "message.timeout.ms": 20_000}
    options["topic.metadata.propagation.max.ms"] = 1000  # so long may a topic be unknown before it is an error
    producer = Producer(options)
    producer.produce(topic, server.encode(), callback=lambda error, _: outcome.append(error))
    producer.flush(30)
    return outcome[0].name() if outcome[0] else ""


def round_trip(server: str) -> str:
    """What a consumer of a new group reads first and last through one listener, after it was written through it."""
    error = produce(server, "t")
    if error:
        return error
    group = f"runstream.{server.replace(':', '.')}"
    consumer = Consumer({"bootstrap.servers": server, "group.id": group, "auto.offset.reset": "earliest"})
    consumer.subscribe(["t"])
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        message = consumer.poll(1)
        if message is not None and not message.error() and message.value() == server.encode():
            consumer.commit(message, asynchronous=False)
            consumer.close()
            return "read"
    return "nothing came"


main(*sys.argv[1:])
