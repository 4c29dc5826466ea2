"""Events of the command line's own reach the event log, whichever it is."""

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from broker.kafka import Cluster
from runstream_analytics.errors import UserError
from runstream_analytics.log_events import append_event, deletion
from runstream_schemas.avro import decode
from runstream_schemas.settings import load

RUN = UUID("01935000-0000-7000-8000-000000000001")


def test_a_deletion_reaches_the_topic_of_tags_under_the_key_of_the_run(
    broker: Cluster, prefix: str, tmp_path: Path
) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    topic = f"{prefix}.tag"
    admin.create_topics([NewTopic(topic, 1)])[topic].result(20)
    settings = load(environ={}, cwd=tmp_path, url=broker.url, topic_prefix=prefix)
    record = deletion(RUN, 5, 1_795_000_000_000_000)
    append_event(settings, "tag", record, attempt=1_795_000_000_000_000)
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": prefix})
    consumer.assign([TopicPartition(topic, 0, 0)])
    message = consumer.poll(20)
    consumer.close()
    assert message is not None and message.error() is None
    assert message.key() == f"{RUN}.0".encode()
    found = decode(message.value())[1]
    assert (found["run_id"], found["key"], found["value"]) == (RUN, "runstream.deleted", "5")


def test_a_missing_topic_is_told_from_a_broker_that_is_away(broker: Cluster, prefix: str, tmp_path: Path) -> None:
    settings = load(environ={}, cwd=tmp_path, url=broker.url, topic_prefix=prefix)
    # A client of its own, as each command has it: it asks for the topics once.
    settings = replace(settings, kafka=replace(settings.kafka, options={"client.id": prefix}))
    with pytest.raises(UserError, match=f"topic {prefix}.tag is missing.*topics create"):
        append_event(settings, "tag", deletion(RUN, 5, 1_795_000_000_000_000), attempt=1_795_000_000_000_000)
