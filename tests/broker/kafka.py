"""A Kafka cluster of real brokers for tests: nodes can be killed, stopped and started again on their ports."""

import random
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException

from broker import jars
from broker.reachable import Reachable

START_S = 60.0
"""A broker starts in two seconds, and on a busy machine in many more."""

PROPERTIES = {
    "process.roles": "broker,controller",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.heartbeat.interval.ms": "200",
    "group.consumer.heartbeat.interval.ms": "300",
    # A killed broker may register again only when its old session is over: these decide how long an outage takes.
    "broker.heartbeat.interval.ms": "100",
    "broker.session.timeout.ms": "1000",
    "controller.quorum.election.timeout.ms": "500",
    "controller.quorum.election.backoff.max.ms": "500",
    "controller.quorum.fetch.timeout.ms": "1500",
    "log.segment.bytes": "16777216",
    "log.cleaner.threads": "1",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "message.max.bytes": "33554432",
    "replica.fetch.max.bytes": "33554432",
}


@dataclass
class Node:
    """One broker."""

    number: int
    port: int
    controller_port: int
    directory: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.directory / "broker.log"


@dataclass
class Cluster(Reachable):
    """Brokers that share a cluster id. Use as a context manager, which starts and stops them."""

    directory: Path
    size: int = 1
    extra: Mapping[str, str] = field(default_factory=dict)
    """More properties; `{port}` and `{secure_port}` are replaced by ports of the node."""
    vm_options: Sequence[str] = jars.QUICK

    def __post_init__(self) -> None:
        self._id = uuid.uuid4().hex[:22]
        ports = free_ports(3 * self.size)
        self.secure_ports = ports[2 * self.size :]
        self.nodes = [
            Node(n + 1, ports[2 * n], ports[2 * n + 1], self.directory / f"node{n + 1}") for n in range(self.size)
        ]

    def __enter__(self) -> "Cluster":
        self.directory.mkdir(parents=True, exist_ok=True)
        for node in self.nodes:
            node.directory.mkdir()
            self._properties(node).write_text(self._text(node))
            jars.format_directory(node.directory / "data", self._id, node.number, self._properties(node))
        if self.size == 1 and not self.extra and not (jars.CACHE / "kafka.jsa").exists():
            jars.make_archive(self._properties(self.nodes[0]))
        for node in self.nodes:
            self.start(node)
        self.wait_until_ready()
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            if node.process is not None:
                node.process.kill()
        for node in self.nodes:
            if node.process is not None:
                node.process.wait(30)

    @property
    def bootstrap(self) -> str:
        return ",".join(node.address for node in self.nodes)

    def start(self, node: Node) -> None:
        """Start a node, for the first time or again."""
        command = [*jars.java(*self.vm_options, *jars.archive_options()), "kafka.Kafka", str(self._properties(node))]
        with node.log.open("ab") as log:
            node.process = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self, node: Node) -> None:
        """SIGKILL."""
        self._end(node, signal.SIGKILL)

    def stop(self, node: Node) -> None:
        """SIGTERM."""
        self._end(node, signal.SIGTERM)

    def pause(self, node: Node) -> None:
        """SIGSTOP: connections stay open and nobody answers."""
        assert node.process is not None
        node.process.send_signal(signal.SIGSTOP)

    def resume(self, node: Node) -> None:
        """SIGCONT."""
        assert node.process is not None
        node.process.send_signal(signal.SIGCONT)

    def wait_until_ready(self) -> None:
        """Return when all nodes answer and the coordinator of consumer groups does."""
        admin = self.admin()
        until = time.monotonic() + START_S
        while True:
            for node in self.nodes:
                if node.process is None or node.process.poll() is not None:
                    raise RuntimeError(f"broker {node.number} ended:\n{node.log.read_text()[-4000:]}")
            try:
                if len(admin.list_topics(timeout=1).brokers) == self.size:
                    break
            except KafkaException:
                pass
            if time.monotonic() > until:
                raise RuntimeError(f"the brokers do not answer:\n{self.nodes[0].log.read_text()[-4000:]}")
            time.sleep(0.05)

    def leader_of(self, topic: str, partition: int = 0) -> Node:
        """The node that leads a partition."""
        leader = self.admin().list_topics(topic, timeout=10).topics[topic].partitions[partition].leader
        return self.nodes[leader - 1]

    def _end(self, node: Node, number: int) -> None:
        assert node.process is not None
        node.process.send_signal(number)
        node.process.wait(30)
        node.process = None

    def _properties(self, node: Node) -> Path:
        return node.directory / "server.properties"

    def _text(self, node: Node) -> str:
        replicas = str(min(self.size, 3))
        in_sync = str(min(self.size, 2))
        voters = ",".join(f"{n.number}@127.0.0.1:{n.controller_port}" for n in self.nodes)
        listener = f"PLAINTEXT://127.0.0.1:{node.port}"
        properties = {
            **PROPERTIES,
            "node.id": str(node.number),
            "controller.quorum.voters": voters,
            "listeners": f"{listener},CONTROLLER://127.0.0.1:{node.controller_port}",
            "advertised.listeners": listener,
            "log.dirs": str(node.directory / "data"),
            "default.replication.factor": replicas,
            "min.insync.replicas": in_sync,
            **{f"{topic}.replication.factor": replicas for topic in ("offsets.topic", "transaction.state.log")},
            "transaction.state.log.min.isr": in_sync,
            "share.coordinator.state.topic.replication.factor": replicas,
            "share.coordinator.state.topic.min.isr": in_sync,
        }
        own = {
            name: value.replace("{port}", str(node.port))
            .replace("{controller_port}", str(node.controller_port))
            .replace("{secure_port}", str(self.secure_ports[node.number - 1]))
            for name, value in self.extra.items()
        }
        return "".join(f"{name}={value}\n" for name, value in (properties | own).items())


def free_ports(count: int) -> list[int]:
    """Ports below those that the system gives to clients: a broker that is started again finds its own still free."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found
