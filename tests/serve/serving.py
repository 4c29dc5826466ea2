"""`runstream serve` as a process that a test holds in its hand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import IncompleteRead
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import clickhouse_connect

COMMAND = [sys.executable, "-c", "from runstream_analytics.cli.app import main; main()"]


class Answer(NamedTuple):
    status: int
    headers: Any
    body: bytes
    whole: bool = True
    """The server ended the body, instead of breaking the connection off."""

    @property
    def code(self) -> int:
        return int(self.headers.get("X-ClickHouse-Exception-Code") or 0)


class Served:
    """A server that listens."""

    def __init__(self, directory: Path, process: subprocess.Popen[str], url: str, token: str) -> None:
        self.directory = directory
        self.process = process
        self.url = url
        self.token = token
        self.said: list[str] = []
        self.listener = threading.Thread()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def ask(self, sql: str | bytes = b"", headers: dict[str, str] | None = None, **fields: object) -> Answer:
        """POST a statement, with these fields in the URL."""
        data = sql.encode() if isinstance(sql, str) else sql
        return self.get("/", headers, data=data, **fields)

    def get(
        self, path: str, headers: dict[str, str] | None = None, data: bytes | None = None, **fields: object
    ) -> Answer:
        given = {"X-ClickHouse-Key": self.token} if self.token else {}
        url = f"{self.url}{path}{'?' + urlencode(fields) if fields else ''}"
        request = urllib.request.Request(url, data, {**given, **(headers or {})})
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=100) as answer:
                try:
                    return Answer(answer.status, answer.headers, answer.read())
                except IncompleteRead as error:
                    return Answer(answer.status, answer.headers, error.partial, whole=False)
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    def text(self, sql: str, **fields: object) -> str:
        answer = self.ask(sql, **fields)
        assert answer.status == 200, answer.body
        return answer.body.decode()

    def client(self, **more: Any) -> Any:
        return clickhouse_connect.get_client(
            host="127.0.0.1", port=self.port, password=self.token, **{"database": "runstream", **more}
        )

    def await_load(self) -> None:
        assert self.get("/runstream/fresh").status == 200

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)

    def memory_kb(self, field: str = "VmRSS") -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith(f"{field}:")))

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


def announcement(directory: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((directory / ".runstream" / "store.serve.json").read_text())
    return content


def command(directory: Path, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """A command of `runstream` in a working directory."""
    return subprocess.run(
        [*COMMAND, *arguments],
        check=False,
        cwd=directory,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def environment(**more: str) -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if not name.startswith("RUNSTREAM_")}, **more}


@contextmanager
def serving(directory: Path, *arguments: str, port: int = 0, **variables: str) -> Iterator[Served]:
    """A server on the runs of a directory, ended at the end."""
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", str(port), *arguments],
        cwd=directory,
        env=environment(**variables),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        first = process.stderr.readline()
        # A wait for the store is told before.
        while first.startswith("waiting"):
            first = process.stderr.readline()
        assert first.startswith("serving at "), f"it did not start: {first}{process.stderr.read()}"
        told = announcement(directory)
        served = Served(directory, process, told["url"], told["token"])
        served.listener = threading.Thread(target=lambda: served.said.extend(process.stderr or ()), daemon=True)
        served.listener.start()
        yield served
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise
