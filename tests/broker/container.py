"""A broker in a container, for machines with a Docker engine and without Java. None of the tests may kill it."""

import shutil
import subprocess

from broker.kafka import PROPERTIES
from broker.reachable import Reachable

IMAGE = "confluentinc/cp-kafka:8.1.1"
"""Kafka 4.1: the image that testcontainers knows how to configure."""


def missing() -> str:
    """Why no container can be had, empty when one can."""
    if shutil.which("docker") is None:
        return "no Docker on this machine"
    engine = subprocess.run(["docker", "info"], check=False, capture_output=True, text=True, timeout=60)
    return f"no Docker engine answers: {engine.stderr.strip().splitlines()[-1]}" if engine.returncode else ""


class Container(Reachable):
    """One broker. A context manager, which starts and stops it."""

    def __enter__(self) -> "Container":
        from testcontainers.community.kafka import KafkaContainer

        made = KafkaContainer(IMAGE).with_kraft()
        # As Cluster has them: tests send messages that are too large for events, and make their topics themselves.
        for name in ("message.max.bytes", "auto.create.topics.enable", "group.initial.rebalance.delay.ms"):
            made.with_env(f"KAFKA_{name.upper().replace('.', '_')}", PROPERTIES[name])
        self._container = made.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._container.stop()

    @property
    def bootstrap(self) -> str:
        address: str = self._container.get_bootstrap_server()
        return address
