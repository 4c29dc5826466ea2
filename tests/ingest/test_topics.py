"""What is done about topics, decided without a broker."""

from typing import Any

import pytest

from broker.kafka import free_ports
from runstream_ingest import topics
from runstream_ingest.topics import Topic, changes, unfit, wanted
from runstream_schemas.avro import EVENT_NAMES
from runstream_schemas.kafka import KafkaSettings

KAFKA = KafkaSettings(topic_prefix="team")


def want(partitions: int = 6, replicas: int = 1, retention_hours: int = 24) -> list[Topic]:
    return wanted(KAFKA, partitions=partitions, replicas=replicas, retention_hours=retention_hours)


def have(**more: int) -> dict[str, Topic]:
    return {topic.name: topic for topic in want(**more)}


def test_every_event_has_a_topic_and_dead_letters_have_one_that_keeps_them() -> None:
    made = {topic.name: topic for topic in want(replicas=3)}
    assert made.keys() == {f"team.{name}" for name in (*EVENT_NAMES, "dead_letter")}
    assert made["team.dead_letter"].config["cleanup.policy"] == "compact"
    assert {topic.config["min.insync.replicas"] for topic in made.values()} == {"2"}


def test_topics_that_are_as_wanted_are_left_alone() -> None:
    assert changes(want(), have()) == []
    assert unfit(KAFKA, have()) == []


def test_missing_topics_are_created_and_growing_ones_grow() -> None:
    assert {change.kind for change in changes(want(), {})} == {"create"}
    grown = changes(want(partitions=8, retention_hours=48), have())
    assert [change.kind for change in grown] == ["partitions", "configure"] * len(EVENT_NAMES)


@pytest.mark.parametrize(
    ("smaller", "word"),
    [({"partitions": 3}, "fewer"), ({"retention_hours": 12}, "retention.ms"), ({"replicas": 3}, "reassign")],
)
def test_nothing_is_made_smaller_and_replicas_are_not_moved(smaller: dict[str, int], word: str) -> None:
    found = [change for change in changes(want(**smaller), have()) if change.kind != "configure"]
    assert {change.kind for change in found} == {"refused"}
    assert all(word in change.text for change in found)


def test_a_retention_for_ever_is_not_shortened() -> None:
    for_ever = {
        name: Topic(topic.name, topic.partitions, topic.replicas, {**topic.config, "retention.ms": "-1"})
        for name, topic in have().items()
    }
    assert {change.kind for change in changes(want(), for_ever)} == {"refused"}


def test_what_keeps_events_out_is_named() -> None:
    present = have()
    del present["team.tag"]
    present["team.metric"] = Topic("team.metric", 6, 1, {"max.message.bytes": "1000"})
    problems = unfit(KAFKA, present)
    assert any(problem == "missing topics: team.tag" for problem in problems)
    assert any("team.metric takes messages up to 1000 bytes" in problem for problem in problems)


def test_a_broker_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "ANSWER_S", 0.5)
    nowhere = f"127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(topics.BrokerFailed, match=f"{nowhere}.*is it running"):
        topics.TopicAdmin(f"kafka://{nowhere}", KAFKA).check()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"ca": "/nowhere/ca.pem"}, "kafka_ca names /nowhere/ca.pem: No such file"),
        ({"security": "sasl_plaintext", "username": "ada"}, "RUNSTREAM_KAFKA_PASSWORD"),
        ({"options": {"acks.of.all": "1"}}, "acks.of.all.*RUNSTREAM_KAFKA_OPTIONS"),
    ],
)
def test_a_setting_that_the_client_cannot_use_is_named(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(topics.BrokerFailed, match=says):
        topics.TopicAdmin("kafka://127.0.0.1:1", KafkaSettings(**wrong))
