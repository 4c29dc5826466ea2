"""A worker process in a test's hand, and what can be asked of its group, its topics and a store on a server."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaException, TopicPartition
from http_stores import settings_for
from worker_process import WORKER

from broker.kafka import Cluster, free_ports
from runstream_ingest.dead_letter_topic import DeadLetterTopic
from runstream_ingest.dead_letters import DeadLetter
from runstream_ingest.store import open_store
from runstream_schemas.kafka import KafkaSettings

Found = TypeVar("Found")

QUICK = "session.timeout.ms=2000,heartbeat.interval.ms=300"
"""Options that let a group notice within two seconds that a worker is gone."""


def until(what: Callable[[], Found], timeout_s: float = 40.0) -> Found:
    """What is found, as soon as it is true."""
    limit = time.monotonic() + timeout_s
    while not (found := what()):
        assert time.monotonic() < limit, f"waited in vain; last seen: {found!r}"
        time.sleep(0.05)
    return found


class RunningWorker:
    """`runstream-ingest run` with metrics and a log in JSON. Use as a context manager, which kills it."""

    def __init__(self, environ: Mapping[str, str], *arguments: str, code: str = WORKER) -> None:
        self.port = free_ports(1)[0]
        self.said: list[str] = []
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "run", "--log", "json", "--metrics-port", str(self.port), *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(environ),
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __enter__(self) -> "RunningWorker":
        return self

    def __exit__(self, *_: object) -> None:
        self.signal(signal.SIGKILL)
        self.ended()

    def signal(self, number: int) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, number)

    def ended(self, timeout_s: float = 40.0) -> int:
        """Its exit status, once it has one."""
        status = self.process.wait(timeout_s)
        self._listener.join(timeout_s)
        return status

    def stop(self, timeout_s: float = 40.0) -> int:
        self.signal(signal.SIGTERM)
        return self.ended(timeout_s)

    def lines(self) -> list[dict[str, Any]]:
        """Its log; every line must be an object."""
        return [json.loads(line) for line in self.said]

    def wait_for_words(self, words: str, timeout_s: float = 40.0) -> dict[str, Any]:
        """The line of its log that has them."""

        def line() -> str | None:
            return next((said for said in self.said if words in said), None)

        with self._changed:
            self._changed.wait_for(line, timeout_s)
        found = line()
        assert found is not None, f"never said {words!r}: {self.said}"
        parsed: dict[str, Any] = json.loads(found)
        return parsed

    def health(self) -> tuple[int, str]:
        """Status and text of /healthz; 0 while nobody answers."""
        try:
            with _OPENER.open(f"http://127.0.0.1:{self.port}/healthz", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def metrics(self) -> str:
        """The text of /metrics; empty while nobody answers."""
        try:
            with _OPENER.open(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
                text: str = answer.read().decode()
                return text
        except OSError:
            return ""

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of a metric that have these labels; 0 when there are none."""
        total = 0.0
        for line in self.metrics().splitlines():
            sample, _, value = line.rpartition(" ")
            if sample.partition("{")[0] == f"runstream_ingest_{name}" and all(
                f'{key}="{wanted}"' in sample for key, wanted in labels.items()
            ):
                total += float(value)
        return total

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.said.append(line)
                self._changed.notify_all()


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def committed(broker: Cluster, prefix: str) -> dict[tuple[str, int], int]:
    """The group's positions by event and partition."""
    # Not through the admin client: it ends the process when the coordinator is not ready yet (librdkafka 2.16).
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": f"{prefix}.ingest", "log_level": 0})
    try:
        found = consumer.list_topics(timeout=30).topics
        topics = [topic for topic in KafkaSettings(topic_prefix=prefix).event_topics if topic in found]
        wanted = [TopicPartition(topic, number) for topic in topics for number in found[topic].partitions]
        places = consumer.committed(wanted, timeout=30) if wanted else []
    except KafkaException:
        return {}
    finally:
        consumer.close()
    return {
        (place.topic.removeprefix(f"{prefix}."), place.partition): place.offset for place in places if place.offset >= 0
    }


def members(broker: Cluster, prefix: str) -> list[int]:
    """The number of partitions that each member of the group has."""
    return sorted(map(len, assignments(broker, prefix)))


def assignments(broker: Cluster, prefix: str) -> list[list[str]]:
    """The event of each partition, of each member of the group."""
    admin = broker.admin()
    (future,) = admin.describe_consumer_groups([f"{prefix}.ingest"]).values()
    try:
        found = [member.assignment.topic_partitions for member in future.result(30).members]
    except KafkaException:
        return []  # there is no such group yet, or its coordinator is just being made
    return [[place.topic.removeprefix(f"{prefix}.") for place in places] for places in found]


def letters(broker: Cluster, prefix: str) -> list[DeadLetter]:
    """What lies in the topic of refused events."""
    return list(DeadLetterTopic(broker.url, KafkaSettings(topic_prefix=prefix)).letters())


def stored_seqs(store: str, directory: Path) -> list[tuple[str, int, int]]:
    """Run, rank and seq of every batch in a store, once for each row that the view of batches has."""
    return ask(store, directory, "SELECT toString(run_id), rank, seq FROM batch FINAL ORDER BY ALL")


def ask(store: str, directory: Path, query: str) -> list[Any]:
    with open_store(settings_for(store, directory)) as opened:
        return [tuple(row) for row in opened.client.query(query).result_rows]
