"""A run's events reach the topics of a real broker, whatever the broker is going through."""

import logging
import threading
from pathlib import Path

import pytest
import topics
from journals import Journal
from runs import start

from broker.kafka import Cluster
from runstream.courier import Courier, deliver_all
from runstream.transport.broker import Broker
from runstream.transport.kafka import KafkaTransport
from runstream.transport.log_directory import LogDirectory
from runstream.transport.segments import read_segment
from runstream.transport.spill import Spill
from runstream_schemas import avro
from runstream_schemas.kafka import KafkaSettings


@pytest.fixture(autouse=True)
def own_topics(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    monkeypatch.setenv("RUNSTREAM_TOPIC_PREFIX", prefix)


def test_every_event_arrives_under_its_key_and_in_order(broker: Cluster, prefix: str, tmp_path: Path) -> None:
    topics.make_topics(broker.url, prefix, partitions=3)
    (tmp_path / "weights").write_bytes(b"1")
    with start(tmp_path, url=broker.url, config={"lr": 0.1}, tags=["smoke"]) as run:
        for step in range(150_000):
            run.log({"m": float(step)}, step)
        run.log_artifact(tmp_path / "weights")
    found = topics.records(broker.url, prefix)
    assert {record.event for record in found} == set(avro.EVENT_NAMES)
    assert {record.key for record in found} == {f"{run.id}.0"}
    assert len({record.partition for record in found}) == 1
    seqs = [record.content["seq"] for record in found if record.event == "metric"]
    assert seqs == list(range(len(seqs))) and len(seqs) > 2
    assert topics.steps(found) == list(range(150_000))
    (end,) = topics.ends(found)
    assert (end["state"], end["queued"], end["last_seq"]) == ("finished", 150_000, seqs[-1])
    assert not (tmp_path / "spill").exists() and not list((tmp_path / "journal").glob("*.journal"))


def test_topics_get_byte_for_byte_what_a_log_directory_gets(broker: Cluster, prefix: str, tmp_path: Path) -> None:
    topics.make_topics(broker.url, prefix)
    journal = Journal()
    tag = {"run_id": str(journal.ring.run_id), "rank": 0, "attempt": journal.ring.attempt, "time": 1}
    for step in range(30_000):
        journal.writer.append({"m": float(step), "n": -1.5}, step)
        if step % 10_000 == 0:
            journal.writer.append_event(avro.current("tag").encode({**tag, "key": "k", "value": str(step)}))
    identity = {"run_id": journal.ring.run_id, "rank": 0}
    log = LogDirectory(tmp_path / "log", attempt=journal.ring.attempt, **identity)  # type: ignore[arg-type]
    assert deliver_all(Courier(journal.ring, log, warn=_refuse))
    journal.ring.delivered = 0
    spill = Spill(tmp_path / "spill" / f"{journal.ring.run_id}.0.{journal.ring.attempt}", info={})
    sender = Broker(broker.url, KafkaSettings(topic_prefix=prefix), **identity)  # type: ignore[arg-type]
    assert deliver_all(
        Courier(journal.ring, KafkaTransport(sender, spill, pressed=lambda: False, warn=_refuse), warn=_refuse)
    )
    found = topics.records(broker.url, prefix)
    for event in ("metric", "tag"):
        (segment,) = (tmp_path / "log" / event).iterdir()
        content = read_segment(segment)
        assert [record.value for record in found if record.event == event] == [
            content.header + datum for datum in content.datums
        ]


def _refuse(kind: str, message: str) -> None:
    raise AssertionError(message)


def test_a_thousand_short_runs_share_one_client(broker: Cluster, prefix: str, tmp_path: Path) -> None:
    topics.make_topics(broker.url, prefix)
    start(tmp_path, url=broker.url).finish()
    threads = len(list(Path("/proc/self/task").iterdir()))
    for _ in range(20):
        run = start(tmp_path, url=broker.url)
        run.log({"m": 1.0})
        assert run.finish()
    topics.wait_until(lambda: len(list(Path("/proc/self/task").iterdir())) <= threads)
    assert len(topics.ends(topics.records(broker.url, prefix))) == 21


def test_runs_side_by_side_share_one_client_and_each_is_told_of_its_own(
    broker: Cluster, prefix: str, tmp_path: Path
) -> None:
    topics.make_topics(broker.url, prefix, partitions=2)
    done = []

    def train(number: int) -> None:
        run = start(tmp_path, url=broker.url, name=str(number))
        for step in range(20_000):
            run.log({f"m{number}": float(step)}, step)
        done.append(run.finish(30))

    threads = [threading.Thread(target=train, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [True] * 8
    found = topics.records(broker.url, prefix)
    assert {name: len(series) for name, series in topics.points(found).items()} == {f"m{n}": 20_000 for n in range(8)}


def test_a_broker_that_is_away_when_training_begins_gets_everything_once_it_is_up(
    own_broker: Cluster, prefix: str, tmp_path: Path
) -> None:
    node = topics.make_and_leave(own_broker, prefix)
    run = start(tmp_path, url=own_broker.url)
    for step in range(1000):
        run.log({"m": float(step)}, step)
    assert run.finish(timeout=0.5) is False
    own_broker.start(node)
    assert run.finish(timeout=60)
    found = topics.records(own_broker.url, prefix)
    assert topics.steps(found) == list(range(1000))
    assert [end["state"] for end in topics.ends(found)] == ["finished"]
    assert not topics.spilled(tmp_path)


@pytest.mark.parametrize("fault", ["killed", "paused"])
def test_a_broker_that_is_gone_for_a_while_under_load_costs_nothing(
    own_broker: Cluster, prefix: str, tmp_path: Path, fault: str
) -> None:
    topics.make_topics(own_broker.url, prefix)
    (node,) = own_broker.nodes
    process = topics.trainer(
        tmp_path,
        own_broker.url,
        prefix,
        """
        step = 0
        stop = []
        signal.signal(signal.SIGUSR1, lambda *_: stop.append(1))
        print("begun", flush=True)
        while not stop:
            run.log({"m": step}, step)
            step += 1
            if step % 100 == 0: time.sleep(0.005)
        print(step, run.finish(60), flush=True)
        """,
    )
    assert topics.line_of(process) == "begun"
    topics.wait_until(lambda: topics.arrived(own_broker, prefix) > 1)
    if fault == "killed":
        own_broker.kill(node)
        own_broker.start(node)
        own_broker.wait_until_ready()
    else:
        own_broker.pause(node)
        journal = next((tmp_path / "journal").glob("*.journal"))
        before = journal.stat().st_mtime
        # A journal that is written and not shipped: the trainer goes on while nobody answers.
        topics.wait_until(lambda: journal.stat().st_mtime > before + 3)
        own_broker.resume(node)
    before_offset = topics.arrived(own_broker, prefix)
    topics.wait_until(lambda: topics.arrived(own_broker, prefix) > before_offset)
    process.send_signal(10)
    logged, delivered = topics.line_of(process).split()
    _, err = process.communicate(timeout=30)
    assert (delivered, "Traceback" in err) == ("True", False), err
    found = topics.records(own_broker.url, prefix)
    assert topics.steps(found) == list(range(int(logged)))
    assert [end["queued"] for end in topics.ends(found)] == [int(logged)]
    assert not topics.spilled(tmp_path)


def test_a_cluster_that_loses_the_leader_of_a_topic_gets_everything(
    three_brokers: Cluster, prefix: str, tmp_path: Path
) -> None:
    topics.make_topics(three_brokers.url, prefix)
    run = start(tmp_path, url=three_brokers.url)
    run.log({"m": 0.0}, 0)
    topics.wait_until(lambda: topics.arrived(three_brokers, prefix))
    three_brokers.kill(three_brokers.leader_of(f"{prefix}.metric"))
    for step in range(1, 100_000):
        run.log({"m": float(step)}, step)
    assert run.finish(60)
    assert topics.steps(topics.records(three_brokers.url, prefix)) == list(range(100_000))
    assert not topics.spilled(tmp_path)


def test_a_client_whose_queue_is_full_sends_the_rest_later(
    broker: Cluster, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics.make_topics(broker.url, prefix)
    monkeypatch.setenv("RUNSTREAM_KAFKA_OPTIONS", "queue.buffering.max.messages=2")
    with start(tmp_path, url=broker.url) as run:
        for number in range(1000):
            run.set_tag(f"k{number}", "v")
    assert run.is_delivered
    found = topics.records(broker.url, prefix)
    assert [record.content["key"] for record in found if record.event == "tag"] == [f"k{n}" for n in range(1000)]


@pytest.mark.parametrize("option", ["no.such.option=1", "ssl.ca.location=/nowhere/ca.pem,security.protocol=ssl"])
def test_options_that_kafka_does_not_take_are_said_once_and_the_run_waits_in_its_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, option: str
) -> None:
    monkeypatch.setenv("RUNSTREAM_KAFKA_OPTIONS", option)
    run = start(tmp_path, url="kafka://localhost:1")
    run.log({"m": 1.0})
    assert run.finish(timeout=0.5) is False
    said = [record.getMessage() for record in caplog.records]
    assert len([text for text in said if "no client for Kafka can be made" in text and "said once" in text]) <= 3
    assert any("RUNSTREAM_KAFKA_OPTIONS" in text for text in said)
    assert any("1 point in" in text and "runstream sync" in text for text in said)
    assert caplog.records[0].levelno == logging.WARNING
