"""Real worker processes."""

import os
import subprocess
import sys
from pathlib import Path

WORKER = "from runstream_ingest.cli import main; main()"
DYING_WORKER = """
import signal, sys
from runstream_ingest.commands import app
# The default action of SIGALRM ends the process where it stands: no handler, no cleaning up.
signal.setitimer(signal.ITIMER_REAL, float(sys.argv.pop(1)))
app()
"""


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RUNSTREAM_")}


def arguments(directory: Path, *more: str) -> list[str]:
    return ["run", "--dir", str(directory / ".runstream"), "--log-dir", str(directory / "log"), *more]


def once(
    directory: Path, *, prefix: tuple[str, ...] = (), die_after_s: float | None = None
) -> subprocess.CompletedProcess[str]:
    code = [WORKER] if die_after_s is None else [DYING_WORKER, str(die_after_s)]
    return subprocess.run(
        [*prefix, sys.executable, "-c", *code, *arguments(directory, "--once")],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
        check=False,
    )


def start(directory: Path, *more: str, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", WORKER, *arguments(directory, *more)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def wait_for_words(worker: subprocess.Popen[str], words: str) -> str:
    """The line in which a worker says them."""
    assert worker.stderr is not None
    said = []
    for line in worker.stderr:
        said.append(line)
        if words in line:
            return line
    raise AssertionError(f"the worker ended without saying {words!r}: {''.join(said)}")
