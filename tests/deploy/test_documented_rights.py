"""The rights at the broker that docs/operations.md gives to each role: with these and no others, all of them work."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
)

from broker.accounts import with_accounts
from broker.fixtures import require_broker
from broker.kafka import Cluster
from runstream_ingest.dead_letter_topic import DeadLetterTopic
from runstream_schemas import settings
from runstream_schemas.kafka import client_config

TOPIC = "runstream.metric"


def documented() -> list[AclBinding]:
    """What the commands in the page would give."""
    page = (Path(__file__).parents[2] / "docs/operations.md").read_text()
    found = []
    for line in re.findall(r"^    kafka-acls\.sh --add (.*)$", page, re.MULTILINE):
        words = iter(shlex.split(line))
        given = [(word.removeprefix("--"), next(words)) for word in words]
        one = dict(given)
        kind = ResourceType.TOPIC if "topic" in one else ResourceType.GROUP
        pattern = ResourcePatternType[one.get("resource-pattern-type", "literal").upper()]
        name = one.get("topic") or one["group"]
        for operation in (value for option, value in given if option == "operation"):
            right = AclOperation[re.sub(r"(?<!^)(?=[A-Z])", "_", operation).upper()]
            found.append(
                AclBinding(kind, name, pattern, one["allow-principal"], "*", right, AclPermissionType.ALLOW),
            )
    return found


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A broker that knows the users of the page and has given them these rights."""
    require_broker()
    bindings = documented()
    users = {binding.principal.removeprefix("User:") for binding in bindings}
    assert users == {"train", "worker", "topics", "letters", "lag"}
    with Cluster(tmp_path_factory.mktemp("rights") / "cluster", extra=with_accounts(users, "secret")) as started:
        admin = started.admin()
        for future in admin.create_acls(bindings).values():
            future.result(30)
        yield started


def environment(cluster: Cluster, user: str) -> dict[str, str]:
    return {
        "RUNSTREAM_URL": f"kafka://127.0.0.1:{cluster.secure_ports[0]}",
        "RUNSTREAM_KAFKA_SECURITY": "sasl_plaintext",
        "RUNSTREAM_KAFKA_SASL_MECHANISM": "PLAIN",
        "RUNSTREAM_KAFKA_USERNAME": user,
        "RUNSTREAM_KAFKA_PASSWORD": "secret",
    }


def config(cluster: Cluster, user: str) -> dict[str, str]:
    here = settings.load(environ=environment(cluster, user))
    return client_config(here.url, here.kafka, "test")


def run(cluster: Cluster, user: str, directory: Path, *command: str) -> str:
    """What a command of ours says on standard output when a user of these rights runs it."""
    program = str(Path(sys.executable).parent / command[0])
    environ = os.environ | environment(cluster, user) | {"RUNSTREAM_DIR": str(directory / user)}
    done = subprocess.run(
        [program, *command[1:]], check=False, cwd=directory, env=environ, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_role_works_with_its_documented_rights(cluster: Cluster, tmp_path: Path) -> None:
    run(cluster, "topics", tmp_path, "runstream", "topics", "create", "--partitions", "1")
    run(cluster, "topics", tmp_path, "runstream", "topics", "create", "--partitions", "2", "--retention-hours", "200")
    run(cluster, "topics", tmp_path, "runstream", "topics", "describe")

    body = "import runstream; run = runstream.init(); run.log({'m': 1.0}); assert run.finish(30)"
    run(cluster, "train", tmp_path, "python", "-c", body)
    producer = Producer(config(cluster, "train") | {"enable.idempotence": "true"})
    producer.produce(TOPIC, b"no event", b"key")
    assert producer.flush(30) == 0

    run(cluster, "worker", tmp_path, "runstream-ingest", "run", "--once")
    [letter] = json.loads(run(cluster, "letters", tmp_path, "runstream-ingest", "deadletters", "list", "--json"))
    assert letter["source"] == TOPIC

    here = settings.load(environ=environment(cluster, "letters"))
    letters = DeadLetterTopic(here.url, here.kafka)
    for one in letters.letters():
        letters.remove(one)
    assert list(DeadLetterTopic(here.url, here.kafka).letters()) == []

    lag = AdminClient(config(cluster, "lag"))
    [answer] = lag.list_consumer_group_offsets([ConsumerGroupTopicPartitions("runstream.ingest")]).values()
    committed = {(place.topic, place.partition): place.offset for place in answer.result(30).topic_partitions}
    places = {TopicPartition(TOPIC, number): OffsetSpec.latest() for number in range(2)}
    ends = {
        (place.topic, place.partition): future.result(30).offset for place, future in lag.list_offsets(places).items()
    }
    assert {place: committed.get(place, 0) for place in ends} == ends
    assert sum(ends.values()) == 2
