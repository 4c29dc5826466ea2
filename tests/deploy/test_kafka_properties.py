import json
import sys
from pathlib import Path
from typing import Any

import pytest

from broker import jars
from broker.fixtures import require_broker
from deploy import network
from runstream_schemas.avro import EVENT_NAMES

PROPERTIES = Path(__file__).parents[2] / "deploy/kafka/server.properties"


def properties() -> dict[str, str]:
    lines = [line for line in PROPERTIES.read_text().splitlines() if line and not line.startswith("#")]
    assert len({line.partition("=")[0] for line in lines}) == len(lines), "a property is given twice"
    return dict(line.split("=", 1) for line in lines)


@pytest.fixture(scope="module")
def told(services: dict[str, Any]) -> dict[str, Any]:
    """What Kafka from the jars tells, started with the very file that docker-compose mounts."""
    require_broker()
    if why := network.missing():
        pytest.skip(why)
    jars.class_path()  # fetched before, because there is no network inside
    kafka, topics = services["kafka"]["environment"], services["topics"]
    url = [f"{name}={value}" for name, value in topics["environment"].items()]
    [program] = topics["entrypoint"]
    make_topics = ["env", *url, str(Path(sys.executable).parent / program), *topics["command"]]
    start = [sys.executable, str(Path(__file__).parent / "start_kafka.py"), str(PROPERTIES)]
    return json.loads(
        network.run_inside([*start, kafka["CLUSTER_ID"], kafka["KAFKA_HEAP_OPTS"], *make_topics], timeout_s=110)
    )


def test_broker_starts_with_the_file_that_compose_mounts_and_knows_every_property(told: dict[str, Any]) -> None:
    assert {name: told["properties"].get(name) for name in properties()} == properties()
    assert told["stopped with"] == 143, "128 and SIGTERM: it ended by itself"


def test_events_pass_from_containers_and_from_the_machine(told: dict[str, Any]) -> None:
    assert told["through"] == {"kafka:9092": "read", "127.0.0.1:9094": "read"}


def test_misspelt_topic_is_refused_and_not_made(told: dict[str, Any]) -> None:
    assert told["unknown topic"] == "UNKNOWN_TOPIC_OR_PART"
    assert "not-there" not in told["topics"]


def test_service_topics_makes_the_topics(told: dict[str, Any]) -> None:
    assert told["making topics"] == ""
    assert {f"runstream.{event}" for event in (*EVENT_NAMES, "dead_letter")} <= set(told["topics"])


def test_data_is_where_the_volume_is_mounted(services: dict[str, Any]) -> None:
    assert f"kafka:{properties()['log.dirs']}" in services["kafka"]["volumes"]
    assert "./deploy/kafka:/mnt/shared/config:ro" in services["kafka"]["volumes"]
