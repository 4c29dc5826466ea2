"""Events of a later version: they wait for workers that know them, and get into the store by an upgrade."""

import json
import subprocess
import sys
from pathlib import Path

import kafka_tasks
import orjson
from ingest_support import RUN, batch_record
from kafka_worker import QUICK, RunningWorker, ask, committed, letters, until
from worker_process import WORKER

import support_events as events
from broker.kafka import Cluster
from runstream_schemas import avro
from runstream_schemas.avro import Schema
from runstream_schemas.kafka import message_key

pytest_plugins = ("http_front.fixture", "http_fixtures")

KEY = message_key(RUN, 0)


def later_text() -> str:
    """The schema of tags with one more field, as a later version may have it."""
    schema = orjson.loads(avro.current("tag").text)
    schema["fields"].append({"name": "colour", "type": "string", "default": ""})
    return orjson.dumps(schema).decode()


LATER_WORKER = (
    "import sys; from runstream_schemas import avro; v2 = avro.schema_from_text('tag', sys.argv.pop(1)); "
    "avro.known()[v2.fingerprint] = v2; " + WORKER
)
"""A worker of that version; its first argument is the schema."""


def later() -> Schema:
    return avro.schema_from_text("tag", later_text())


def interleaved() -> list[tuple[str, bytes]]:
    """Tags k0 to k5, every second one of the later version."""
    tags = [events.tag(RUN, f"k{number}", str(number)) for number in range(6)]
    return [
        (tag["key"], later().encode(tag | {"colour": "red"}) if number % 2 else avro.current("tag").encode(tag))
        for number, tag in enumerate(tags)
    ]


def test_later_events_wait_without_holding_up_others_and_are_stored_after_the_upgrade(
    broker: Cluster, prefix: str, tmp_path: Path, url: str
) -> None:
    kafka_tasks.make_topics(broker.url, prefix)
    kafka_tasks.send(broker.url, [(f"{prefix}.tag", KEY, value) for _, value in interleaved()])
    environ = kafka_tasks.worker_environment(
        tmp_path, broker.url, prefix, RUNSTREAM_STORE=url, RUNSTREAM_KAFKA_OPTIONS=QUICK
    )
    with RunningWorker(environ) as worker:
        line = worker.wait_for_words("whose schema this runstream does not know")
        assert (line["kind"], line["level"], line["place"]) == ("unknown_schema", "warning", f"{prefix}.tag/0")
        assert "at offset 1" in line["message"]
        kafka_tasks.produce(broker.url, prefix, {"metric": [batch_record(0)]})
        until(lambda: committed(broker, prefix).get(("metric", 0)) == 1)
        until(lambda: committed(broker, prefix).get(("tag", 0)) == 1)
        # While it waits, the partition goes to another worker and comes back.
        with RunningWorker(environ) as other:
            until(lambda: worker.metric("partitions") == other.metric("partitions") == 3)
            assert other.stop() == 0
        until(lambda: worker.metric("partitions") == 6)
        assert worker.stop() == 0
    assert committed(broker, prefix)["tag", 0] == 1
    assert letters(broker, prefix) == []
    done = upgraded(environ, "run", "--once")
    assert done.returncode == 0, done.stderr
    assert ask(url, tmp_path, "SELECT key FROM tags ORDER BY key") == [(key,) for key, _ in interleaved()]
    assert committed(broker, prefix)["tag", 0] == 6
    assert letters(broker, prefix) == []


def test_later_events_that_waited_too_long_are_put_aside_and_replayed_after_the_upgrade(
    broker: Cluster, prefix: str, tmp_path: Path
) -> None:
    # Into an embedded store, which a waiting partition must not keep open.
    kafka_tasks.make_topics(broker.url, prefix)
    kafka_tasks.send(broker.url, [(f"{prefix}.tag", KEY, value) for _, value in interleaved()])
    environ = kafka_tasks.worker_environment(tmp_path, broker.url, prefix, RUNSTREAM_INGEST_UNKNOWN_SCHEMA_WAIT_S="3")
    with RunningWorker(environ) as worker:
        until(lambda: committed(broker, prefix).get(("tag", 0)) == 6)
        assert worker.stop() == 0
        loads = [line for line in worker.lines() if "events" in line]
        assert len(loads) < 6, "the store is not opened again and again while a partition waits"
    kept = letters(broker, prefix)
    assert [letter.offset for letter in kept] == [1, 3, 5]
    assert {(letter.fingerprint, letter.run_id) for letter in kept} == {(later().fingerprint.hex(), str(RUN))}
    replayed = upgraded(environ, "deadletters", "replay", "--all", "--json")
    assert replayed.returncode == 0, replayed.stderr
    assert len(json.loads(replayed.stdout)["stored"]) == 3
    assert letters(broker, prefix) == []


def upgraded(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LATER_WORKER, later_text(), *arguments],
        capture_output=True,
        text=True,
        env=environ,
        timeout=90,
        check=False,
    )
