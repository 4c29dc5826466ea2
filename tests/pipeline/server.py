"""A ClickHouse server (the HTTP front of the tests) that is killed and started again on its directory and port."""

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

from broker.kafka import free_ports
from http_front.control import TESTS


class Server:
    """Use as a context manager, which starts and kills it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.port = free_ports(1)[0]
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Returns when it listens."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "http_front", "--dir", self._directory, "--port", str(self.port)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(TESTS)},
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().startswith("listening")

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def store(self, database: str = "runstream", port: int = 0) -> str:
        """The URL of a store in it, perhaps by way of another port."""
        return f"http://127.0.0.1:{port or self.port}/{database}"


def glance(store: str, query: str) -> list[list[str]]:
    """The rows of a query as texts, in no time; none while the server does not answer or has no such table."""
    place, _, database = store.rpartition("/")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{place}/?database={database}", query.encode(), timeout=10) as answer:
            return [line.split("\t") for line in answer.read().decode().splitlines()]
    except OSError:
        return []
