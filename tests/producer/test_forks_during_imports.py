"""Processes that are forked while threads of the producer import what they need, as workers of a data loader are."""

import subprocess
import sys
from pathlib import Path

import pytest
from cli_processes import clean_environment

FORKING = """
import os, signal, sys, time
import runstream
run = runstream.init("test", dir=sys.argv[1], url=sys.argv[2])
until = time.monotonic() + 0.4
while time.monotonic() < until:
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        # What the producer imports in the background, and training code may, too.
        import asyncio, concurrent.futures, ctypes, locale, platform, select, ssl, subprocess
        import confluent_kafka.admin, pynvml
        import runstream.capture, runstream.system.sampler, runstream.transport.complaints
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit("a forked child waits for ever for an import")
os._exit(0)
"""


@pytest.mark.parametrize("url", ["kafka://127.0.0.1:1", ""])
def test_a_child_that_is_forked_at_any_moment_imports_whatever_it_likes(tmp_path: Path, url: str) -> None:
    arguments = [sys.executable, "-c", FORKING, str(tmp_path), url or f"file:{tmp_path / 'log'}"]
    environ = {**clean_environment(), "RUNSTREAM_SYSTEM_PERIOD_S": "0.05"}
    done = subprocess.run(arguments, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


IMPORTING = """
import os, sys
from runstream.forks import no_fork
with no_fork:
    child = os.fork()  # as a module does that starts a server when it is imported
    if child == 0:
        with no_fork:
            os._exit(0)
    sys.exit(os.waitpid(child, 0)[1])
"""


def test_what_is_imported_in_the_background_may_itself_fork() -> None:
    subprocess.run([sys.executable, "-c", IMPORTING], timeout=30, check=True)
