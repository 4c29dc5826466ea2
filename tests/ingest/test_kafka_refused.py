"""Events that no store can take, on a real broker: only they are put aside, each once, and nothing else is harmed."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import kafka_tasks
import kafka_worker
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from http_stores import ended, settings_for
from ingest_support import RUN, batch_record, batches, datum
from kafka_worker import RunningWorker, committed, letters, stored_seqs, until
from worker_process import WORKER

import support_events as events
from broker.kafka import Cluster
from runstream_ingest.store import open_store
from runstream_schemas import avro
from runstream_schemas.exit_codes import ExitCode
from runstream_schemas.kafka import message_key

pytest_plugins = ("http_front.fixture", "http_fixtures")

HEADER = avro.current("metric").header
KEY = message_key(RUN, 0)


def value_of(record: Any) -> bytes:
    return avro.current("metric").encode(record)


def zoo() -> dict[str, bytes | None]:
    """One of each kind."""
    good = batches(4, rows=3)
    short = batch_record(20, rows=3)
    short["frames"][0]["columns"][0]["values"].pop()
    return {
        "truncated": HEADER + good[0][:-3],
        "trailing bytes": HEADER + good[1] + b"\0\0",
        "short array": value_of(short),
        "bad UTF-8": HEADER + good[2].replace(b"\x04lr", b"\x04l\xff"),
        "unknown fingerprint": avro.MARKER + b"\x07" * 8 + good[3],
        "wrong marker": b"\xc3\x02" + HEADER[2:] + good[0],
        "shorter than a header": HEADER[:7],
        "empty": b"",
        "tombstone": None,
        "20 MB": HEADER + good[0] + bytes(20_000_000),
        "compressed garbage": gzip.compress(bytes(1000)),
    }


def wrong_union() -> bytes:
    """A status that names a branch which `last_step`, a null or a long, does not have."""
    null, number = datum("status", events.status(RUN)), datum("status", events.status(RUN, last_step=1))
    at = next(index for index, (one, other) in enumerate(zip(null, number, strict=False)) if one != other)
    return avro.current("status").header + null[:at] + b"\x08" + null[at + 1 :]


def test_only_culprits_are_put_aside_each_once_and_as_they_came(
    broker: Cluster, prefix: str, tmp_path: Path, url: str
) -> None:
    kafka_tasks.make_topics(broker.url, prefix)
    topic = f"{prefix}.metric"
    bad = zoo()
    values: list[tuple[str, bytes | None, bytes | None]] = []
    for seq, value in enumerate(bad.values()):
        values += [(topic, KEY, value_of(batch_record(100 + seq, rows=3))), (topic, KEY, value)]
    values.append((topic, KEY, value_of(batch_record(100 + len(bad), rows=3))))
    values.append((f"{prefix}.status", KEY, wrong_union()))
    # As a codec makes it small, a message may be far larger than its topic allows.
    kafka_tasks.send(
        broker.url,
        values,
        headers=[("trace", b"abc\xff"), ("none", None)],
        **{"compression.type": "zstd", "message.max.bytes": 30_000_000},
    )
    environ = kafka_tasks.worker_environment(
        tmp_path, broker.url, prefix, RUNSTREAM_STORE=url, RUNSTREAM_INGEST_UNKNOWN_SCHEMA_WAIT_S="1"
    )
    for _ in range(2):
        done = kafka_tasks.drain(environ)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
    assert stored_seqs(url, tmp_path) == [(str(RUN), 0, 100 + seq) for seq in range(len(bad) + 1)]
    assert committed(broker, prefix) == {("metric", 0): 2 * len(bad) + 1, ("status", 0): 1}

    kept = letters(broker, prefix)
    assert [letter.offset for letter in kept if letter.event == "metric"] == [2 * n + 1 for n in range(len(bad))]
    assert [letter.event for letter in kept].count("status") == 1
    assert broker.end_offset(f"{prefix}.dead_letter") == len(bad) + 1, "each is sent there once"
    for record in everything_in(broker, f"{prefix}.dead_letter"):
        origin = record.key().decode().rpartition("-")
        headers = dict(record.headers())
        assert (headers["runstream.key"], headers["trace"], headers["none"]) == (KEY, b"abc\xff", None)
        about = json.loads(headers["runstream.dead_letter"])
        assert (about["source"], str(about["offset"])) == (origin[0].rpartition("-")[0], origin[2])
        assert about["error"]
        if about["event"] == "metric":
            came = list(bad.values())[about["offset"] // 2] or b""
            assert record.value() == came[:900_010]


def everything_in(broker: Cluster, topic: str) -> list[Any]:
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "test", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found: list[Any] = []
    while len(found) < broker.end_offset(topic):
        found += consumer.consume(100, 1.0)
    consumer.close()
    return found


def test_dead_letters_of_topics_are_listed_shown_and_replayed(
    broker: Cluster, prefix: str, tmp_path: Path, url: str
) -> None:
    kafka_tasks.make_topics(broker.url, prefix)
    records = [batch_record(0), batch_record(1, names=("lr", "n" * 2000)), batch_record(2)]
    kafka_tasks.produce(broker.url, prefix, {"metric": records})
    bare = datum("metric", batch_record(3))  # nothing says that it is of this version
    kafka_tasks.send(broker.url, [(f"{prefix}.metric", KEY, value) for value in (b"nothing of ours", bare)])
    environ = kafka_tasks.worker_environment(tmp_path, broker.url, prefix, RUNSTREAM_STORE=url)
    assert kafka_tasks.drain(environ).returncode == 0

    def command(*arguments: str, status: int = 0) -> Any:
        done = subprocess.run(
            [sys.executable, "-c", WORKER, "deadletters", *arguments],
            capture_output=True,
            text=True,
            env=environ,
            timeout=60,
            check=False,
        )
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return json.loads(done.stdout) if done.stdout.startswith(("[", "{")) else done.stdout

    long_name, *foreign = command("list", "--json")
    assert [letter["offset"] for letter in (long_name, *foreign)] == [1, 3, 4]
    assert long_name["run_id"] == str(RUN)
    assert command("show", long_name["id"])["content"]["seq"] == 1
    assert [command("show", letter["id"])["content"] for letter in foreign] == [None, None]
    refused = command("replay", "--all", "--json", status=ExitCode.INCOMPLETE)
    assert (refused["stored"], len(refused["refused"])) == ([], 3)

    with open_store(settings_for(url, tmp_path)) as store:
        query = "SELECT create_table_query FROM system.tables WHERE name = 'landing_metric' AND database = {db:String}"
        create = store.client.query(query, parameters={"db": store.client.database}).result_rows[0][0]
        store.client.command(create.replace("<= 1024", "<= 4096").replace("CREATE TABLE", "CREATE OR REPLACE TABLE", 1))
    replayed = command("replay", "--all", "--json", status=ExitCode.INCOMPLETE)
    assert replayed["stored"] == [long_name["id"]]
    assert [letter["error"] for letter in replayed["refused"]] == [letter["error"] for letter in foreign]
    assert command("list", "--json") == foreign
    assert [seq for _, _, seq in stored_seqs(url, tmp_path)] == [0, 1, 2]
    (last,) = everything_in(broker, f"{prefix}.dead_letter")[-1:]
    assert (last.key(), last.value()) == (f"{prefix}.metric-0-1".encode(), None)


def test_a_flood_of_refused_events_stops_the_worker_and_drains_nothing(
    broker: Cluster, prefix: str, tmp_path: Path, url: str
) -> None:
    kafka_tasks.make_topics(broker.url, prefix)
    good = [batch_record(seq, rows=1) for seq in range(5)]
    kafka_tasks.produce(broker.url, prefix, {"metric": good})
    environ = kafka_tasks.worker_environment(tmp_path, broker.url, prefix, RUNSTREAM_STORE=url)
    assert kafka_tasks.drain(environ).returncode == 0
    bad = [batch_record(seq, rows=1) | {"attempt": 5} for seq in range(5, 405)]
    kafka_tasks.produce(broker.url, prefix, {"metric": bad})
    done = kafka_tasks.drain(environ)
    assert done.returncode == ExitCode.POISONED, done.stderr
    assert "attempt_in_range" in done.stderr
    assert "Traceback" not in done.stderr
    assert letters(broker, prefix) == []
    assert committed(broker, prefix) == {("metric", 0): 5}


@pytest.mark.parametrize("trouble", ["missing", "too small"])
def test_nothing_is_committed_or_dropped_until_the_dead_letter_topic_takes_what_is_refused(
    trouble: str, broker: Cluster, prefix: str, tmp_path: Path, url: str
) -> None:
    kafka_tasks.make_topics(broker.url, prefix)
    records = [batch_record(0), batch_record(1, names=("lr", "n" * 2000)), batch_record(2)]
    # Else the client waits half a minute for a topic that may be on its way.
    own = {"RUNSTREAM_STORE": url, "RUNSTREAM_KAFKA_OPTIONS": "topic.metadata.propagation.max.ms=500"}
    environ = kafka_tasks.worker_environment(tmp_path, broker.url, prefix, **own)
    quick = "import runstream_ingest.dead_letter_topic as t; t.SENDING['message.timeout.ms'] = '1500'; " + WORKER
    with RunningWorker(environ, code=quick) as worker:
        until(lambda: 6 in kafka_worker.members(broker, prefix))
        spoil(broker, f"{prefix}.dead_letter", trouble)
        kafka_tasks.produce(broker.url, prefix, {"metric": records})
        line = worker.wait_for_words("takes no dead letters")
        assert line["level"] == "warning"
        assert committed(broker, prefix).get(("metric", 0), 0) <= 0
        assert worker.metric("messages_total", outcome="dead") == 0
        mend(broker, prefix, trouble)
        until(lambda: committed(broker, prefix).get(("metric", 0)) == 3)
        assert worker.stop() == 0
    assert [letter.offset for letter in letters(broker, prefix)] == [1]
    assert [seq for _, _, seq in stored_seqs(url, tmp_path)] == [0, 2]


def spoil(broker: Cluster, topic: str, how: str) -> None:
    admin = broker.admin()
    if how == "missing":
        admin.delete_topics([topic])[topic].result(30)
    else:
        set_config(broker, topic, "max.message.bytes", "300")


def mend(broker: Cluster, prefix: str, how: str) -> None:
    if how == "missing":
        kafka_tasks.make_topics(broker.url, prefix)
    else:
        set_config(broker, f"{prefix}.dead_letter", "max.message.bytes", "2097152")


def set_config(broker: Cluster, topic: str, name: str, value: str) -> None:
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    admin = broker.admin()
    (future,) = admin.incremental_alter_configs(
        [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])]
    ).values()
    future.result(30)


def test_the_commands_say_what_is_wrong_with_the_topic(broker: Cluster, prefix: str) -> None:
    done = ended(
        WORKER, "deadletters", "list", "--url", broker.url
    )  # topics of the default prefix, which nobody has made
    assert done.returncode == ExitCode.LOG_FAILED
    assert "runstream.dead_letter cannot be read" in done.stderr
    assert "Traceback" not in done.stderr
