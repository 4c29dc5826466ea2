"""A worker killed anywhere: whoever comes next completes the store, and every view equals the model."""

import os
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import engine_tasks as tasks
import pytest
import worker_process
from ingest_support import write_history

InEngine = Callable[..., Any]

KILLS = int(os.environ.get("RUNSTREAM_TEST_KILLS", "2"))
"""Points of a sweep: few by default, because each takes three seconds."""

RENAMES = "rename,renameat,renameat2"
"""The calls by which the engine makes a part, and the worker a dead letter, visible."""


STRACE = ("strace", "-f", "-qq", "-e", f"trace={RENAMES}")
"""Without --seccomp-bpf, which is quicker and silently injects nothing."""


def strace_works() -> bool:
    if shutil.which("strace") is None:
        return False
    probe = subprocess.run([*STRACE, "-o", "/dev/null", "true"], capture_output=True, timeout=20, check=False)
    return probe.returncode == 0


@pytest.fixture(scope="module")
def template(in_engine: InEngine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty store beside a log with history."""
    directory = tmp_path_factory.mktemp("template")
    write_history(directory / "log")
    in_engine(tasks.prepared_store, directory)
    return directory


def copy(template: Path, directory: Path) -> Path:
    shutil.copytree(template, directory, symlinks=True)
    return directory


def spread(count: int) -> list[int]:
    """Up to KILLS indices below count, evenly spread."""
    return sorted({round((count - 1) * point / (KILLS + 1)) for point in range(1, KILLS + 1)})


def moments(trace: str) -> list[tuple[str, int]]:
    """The moments at which strace can kill: it counts each system call in each thread by itself, so the n-th call of a
    kind is reached when the first thread has made n of them.
    """
    counts = Counter(re.findall(r"^(\d+) +(rename(?:at2?)?)\(", trace, re.MULTILINE))
    most: dict[str, int] = {}
    for (_, call), count in counts.items():
        most[call] = max(count, most.get(call, 0))
    return [(call, number) for call, count in sorted(most.items()) for number in range(1, count + 1)]


def test_sigkill_at_any_moment_loses_and_doubles_nothing(
    in_engine: InEngine, template: Path, tmp_path: Path, model: dict[str, list[str]]
) -> None:
    whole = copy(template, tmp_path / "whole")
    began = time.monotonic()
    assert worker_process.once(whole).returncode == 0
    lasted = time.monotonic() - began
    killed = 0
    for point in range(1, KILLS + 1):
        directory = copy(template, tmp_path / f"killed{point}")
        killed += worker_process.once(directory, die_after_s=lasted * point / KILLS / 2).returncode < 0
        assert in_engine(tasks.load_and_read, directory, directory / "log") == model, point
    assert killed > 0


@pytest.mark.skipif(not strace_works(), reason="strace is missing or may not trace: the sweep over renames needs it")
@pytest.mark.parametrize("prepared", [True, False], ids=["insert", "migration"])
def test_sigkill_at_any_rename_loses_and_doubles_nothing(
    in_engine: InEngine, template: Path, tmp_path: Path, model: dict[str, list[str]], prepared: bool
) -> None:
    def directory_for(name: str) -> Path:
        directory = copy(template, tmp_path / name)
        if not prepared:
            shutil.rmtree(directory / ".runstream")
        return directory

    trace = tmp_path / "trace"
    counting = (*STRACE, "-o", str(trace))
    assert worker_process.once(directory_for("whole"), prefix=counting).returncode == 0
    possible = moments(trace.read_text())
    killed = 0
    for call, number in [possible[index] for index in spread(len(possible))]:
        point = f"{call}{number}"
        directory = directory_for(point)
        killing = (*STRACE, "-o", "/dev/null", "-e", f"inject={call}:signal=KILL:when={number}")
        killed += worker_process.once(directory, prefix=killing).returncode != 0
        assert in_engine(tasks.load_and_read, directory, directory / "log") == model, point
    assert killed > 0
