"""The client of a process: what it learns of the topics, and how much it is given."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import topics
from confluent_kafka import KafkaError
from journals import RUN
from runs import start

from broker.fixtures import require_broker
from broker.kafka import Cluster
from runstream.transport.broker import AT_ONCE, Broker, Offer
from runstream.transport.complaints import says_more
from runstream.transport.connection import connect
from runstream_schemas import avro
from runstream_schemas.kafka import KafkaSettings, check_url
from runstream_schemas.setting_values import SettingsError


@pytest.fixture
def eager_broker(tmp_path: Path) -> Iterator[Cluster]:
    """A broker that makes any topic that it is asked for."""
    require_broker()
    with Cluster(tmp_path / "cluster", extra={"auto.create.topics.enable": "true"}) as cluster:
        yield cluster


def test_a_new_client_learns_of_every_topic_before_it_is_given_a_message(broker: Cluster, prefix: str) -> None:
    """Each would wait for 0.1 s otherwise, and a short run with it."""
    topics.make_topics(broker.url, prefix, but="tag")
    # A client that no other test of this process has.
    settings = KafkaSettings(topic_prefix=prefix, options={"client.id": prefix})
    connection = connect(broker.url, settings)
    found = connection.meet(settings.event_topics)
    assert set(found) == set(settings.event_topics)
    wrong = {topic: error.code() for topic, error in found.items() if error}
    assert wrong == {f"{prefix}.tag": KafkaError.UNKNOWN_TOPIC_OR_PART}
    assert connection.meet(settings.event_topics) == {}


def test_a_misspelt_prefix_makes_no_topics_and_is_told(
    eager_broker: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics.make_topics(eager_broker.url, "runstream")
    monkeypatch.setenv("RUNSTREAM_TOPIC_PREFIX", "runstraem")
    monkeypatch.setenv("RUNSTREAM_KAFKA_OPTIONS", topics.QUICK)
    run = start(tmp_path, url=eager_broker.url)
    run.log({"m": 1.0})
    topics.wait_until(lambda: topics.spilled(tmp_path))
    assert run.finish(timeout=0.1) is False
    assert any("topic runstraem.metric is missing" in record.getMessage() for record in caplog.records)
    assert set(eager_broker.admin().list_topics(timeout=20).topics) == {f"runstream.{e}" for e in avro.EVENT_NAMES}


@pytest.mark.parametrize("size", [700_000, 100])
def test_while_a_broker_is_silent_the_client_has_no_message_that_it_cannot_send(
    own_broker: Cluster, prefix: str, size: int
) -> None:
    """With one more, librdkafka's thread takes a core until the broker answers."""
    topics.make_topics(own_broker.url, prefix)
    (node,) = own_broker.nodes
    sender = Broker(own_broker.url, KafkaSettings(topic_prefix=prefix, compression="none"), RUN, 0)
    client = connect(own_broker.url, sender.settings).producer

    def offer(count: int) -> None:
        for _ in range(count):
            sender.offer(Offer("tag", b"", bytes(size), None))

    offer(1)
    topics.wait_until(lambda: sender.reports(0.1))
    own_broker.pause(node)
    offer(20)
    assert not sender.reports(0.5)
    first = len(client)
    assert first == AT_ONCE if size > 100 else first == 20
    offer(20)
    assert not sender.reports(0.5)
    assert len(client) == first
    own_broker.resume(node)
    arrived = 0
    while arrived < 40:
        reports = sender.reports(30)
        assert reports and not any(report.error for report in reports)
        arrived += len(reports)
    assert sender.waiting_bytes == 0


def test_an_ipv6_address_of_a_broker_needs_its_brackets() -> None:
    check_url("kafka://[::1]:9092,[fd00::2]:9092")
    with pytest.raises(SettingsError, match=r"names the broker '::1:9092'"):
        check_url("kafka://::1:9092")


def test_what_the_client_says_of_the_cause_is_not_replaced_by_what_follows_from_it() -> None:
    down, refused = KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT
    password = KafkaError._AUTHENTICATION
    assert [says_more(down, refused), says_more(refused, down), says_more(refused, password)] == [False, True, False]
    assert [says_more(down, password), says_more(password, refused), says_more(KafkaError._SSL, password)] == [
        False,
        True,
        True,
    ]
