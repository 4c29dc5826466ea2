"""What a test holds in its hand: a front in a process of its own, and ways to make it misbehave."""

from __future__ import annotations

import itertools
import json
import os
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent.parent
_numbers = itertools.count()


class RunningFront:
    """A front that listens."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url

    def store_url(self, database: str = "", account: str = "") -> str:
        """The URL of a store in it; each call without a name names another database, which is not there yet."""
        scheme, _, place = self.url.partition("://")
        return f"{scheme}://{account + '@' if account else ''}{place}/{database or f't{next(_numbers)}'}"

    def fail(self, kind: str, *, times: int = 1, **fault: Any) -> None:
        """Plant a fault for the next INSERTs; see http_front.faults.Fault."""
        self._post({"fault": {"kind": kind, **fault}, "times": times})

    def refuse(self, code: int, *, times: int = 1, **fault: Any) -> None:
        """Answer the next INSERTs with an exception of this code."""
        self.fail("refuse", code=code, times=times, **fault)

    def readonly(self, level: int) -> None:
        """From now on everybody may only read; with level 2 they may change settings, though not this one."""
        self._post({"readonly": level})

    def release(self) -> None:
        """Let go of the INSERTs that are held."""
        self._post({"release": True})

    def clear(self) -> None:
        """Forget faults and INSERTs."""
        self._post({"clear": True})

    def inserts(self, at_least: int = 0, *, holding: int = 0) -> list[dict[str, Any]]:
        """The INSERTs that came, in order; waits until so many did, and until so many are held."""
        report = self._ask(f"/control?inserts={at_least}&holding={holding}")
        assert report["enough"], f"only {len(report['seen'])} INSERTs came: {report['seen']}"
        seen: list[dict[str, Any]] = report["seen"]
        return seen

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def _post(self, wish: dict[str, Any]) -> None:
        self._ask("/control", json.dumps(wish).encode())

    def _ask(self, path: str, data: bytes | None = None) -> Any:
        # Who plants faults need not check whom he talks to.
        context = ssl._create_unverified_context() if self.url.startswith("https") else None
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), *([urllib.request.HTTPSHandler(context=context)] if context else [])
        )
        with opener.open(self.url + path, data, timeout=70) as response:
            return json.loads(response.read())


@contextmanager
def running(directory: Path, *arguments: str) -> Iterator[RunningFront]:
    """A front on a directory, ended at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "http_front", "--dir", str(directory), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    assert process.stdout is not None
    words = process.stdout.readline().split()
    assert words[:1] == ["listening"], f"the front did not start: {process.wait()}"
    front = RunningFront(process, words[1])
    try:
        yield front
    finally:
        front.stop()
