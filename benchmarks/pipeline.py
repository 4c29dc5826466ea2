"""A whole pipeline for measurements: a real broker, a store behind HTTP or embedded, and real workers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parent.parent
# The broker and the HTTP front over the embedded engine are the tests' own.
sys.path.insert(0, str(ROOT / "tests"))

if TYPE_CHECKING:
    from broker.kafka import Cluster

WORKER = "from runstream_ingest.cli import main; main()"


@dataclass
class Pipeline:
    """What is running, and where."""

    directory: Path
    cluster: Cluster
    prefix: str
    store_url: str
    pids: dict[str, int] = field(default_factory=dict)
    metrics_ports: list[int] = field(default_factory=list)
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """For the worker and the command line."""
        return {name: value for name, value in os.environ.items() if not name.startswith("RUNSTREAM_")} | {
            "RUNSTREAM_DIR": str(self.directory / ".runstream"),
            "RUNSTREAM_URL": self.cluster.url,
            "RUNSTREAM_TOPIC_PREFIX": self.prefix,
            **({"RUNSTREAM_STORE": self.store_url} if self.store_url else {}),
        }

    def start_worker(self, name: str = "worker", **settings: str) -> subprocess.Popen[bytes]:
        """One more worker; its settings are those of RUNSTREAM_INGEST_…"""
        from broker.kafka import free_ports

        port = free_ports(1)[0]
        own = {f"RUNSTREAM_INGEST_{key.upper()}": value for key, value in settings.items()}
        log = (self.directory / f"{name}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, "run", "--metrics-port", str(port)],
            env=self.environment | own,
            stdout=log,
            stderr=log,
        )
        self.pids[name] = process.pid
        self.metrics_ports.append(port)
        self.workers.append(process)
        return process

    def counter(self, name: str) -> float:
        """The sum of a metric over all workers and labels."""
        total = 0.0
        for port in self.metrics_ports:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                    lines = answer.read().decode().splitlines()
            except OSError:
                continue
            total += sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((name + " ", name + "{")))
        return total

    def wait_for_points(self, points: float, timeout_s: float) -> float:
        """Until the workers have stored so many points, or the time is over; how many there are."""
        return self._wait_for("runstream_ingest_points_total", points, timeout_s)

    def wait_for_partitions(self, timeout_s: float) -> None:
        """Until a worker has partitions to read."""
        if not self._wait_for("runstream_ingest_partitions", 1, timeout_s):
            raise TimeoutError("the worker got no partitions")

    def _wait_for(self, name: str, least: float, timeout_s: float) -> float:
        until = time.monotonic() + timeout_s
        while (value := self.counter(name)) < least and time.monotonic() < until:
            for worker in self.workers:
                if worker.poll() is not None:
                    log = (self.directory / "worker.log").read_text()[-2000:]
                    raise RuntimeError(f"a worker ended with status {worker.returncode}: {log}")
            time.sleep(0.05)
        return value


@contextmanager
def pipeline(directory: Path, *, partitions: int, embedded: bool) -> Iterator[Pipeline]:
    """A broker with topics and a store, no worker yet. All of it is gone afterwards."""
    from broker import jars
    from broker.kafka import Cluster
    from http_front.control import running
    from runstream_ingest.topics import TopicAdmin, changes, wanted
    from runstream_schemas.kafka import KafkaSettings

    with ExitStack() as stack:
        big = {"log.segment.bytes": "268435456"}
        cluster = stack.enter_context(Cluster(directory / "broker", extra=big, vm_options=jars.FULL))
        kafka = KafkaSettings(topic_prefix="fleet")
        admin = TopicAdmin(cluster.url, kafka)
        for change in changes(wanted(kafka, partitions=partitions, replicas=1, retention_hours=24), admin.present()):
            admin.apply(change)
        broker = cluster.nodes[0].process
        assert broker is not None
        made = Pipeline(directory, cluster, kafka.topic_prefix, "", {"broker": broker.pid})
        if not embedded:
            front = stack.enter_context(running(directory / "front"))
            made.store_url = front.store_url("fleet")
            made.pids["store"] = front.process.pid
        try:
            yield made
        finally:
            for worker in made.workers:
                worker.terminate()
            for worker in made.workers:
                worker.wait(60)
