"""A worker opens its embedded store seldom, gives it to whoever wants it, and does not wear out."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import engine_tasks as tasks
import pytest
import worker_process
from ingest_support import batches, segment_path, settings_in, write_segment
from scripted import FakeClock
from test_processes import READER, InEngine

from runstream_ingest import holding, lock

SOON_WORN = "from runstream_ingest import holding; holding.MOST_OPENINGS = 1\n" + worker_process.WORKER

SIGNALLED_AT_THE_END = """
import os, signal, sys
execv = os.execv
def signalled(*arguments):
    del os.environ["SIGNAL_IT"]
    os.kill(os.getpid(), signal.SIGTERM)
    execv(*arguments)
if "SIGNAL_IT" in os.environ:
    os.execv = signalled
"""


def threads_of(worker: subprocess.Popen[str]) -> int:
    return len(list(Path(f"/proc/{worker.pid}/task").iterdir()))


def read(directory: Path) -> int:
    """What another process sees, which needs the store for it."""
    result = subprocess.run(
        [sys.executable, "-c", READER, str(directory), "1"], capture_output=True, text=True, timeout=60, check=True
    )
    return int(result.stdout)


def append(directory: Path, number: int) -> None:
    """One more file of ten points in the log."""
    write_segment(segment_path(directory / "log", "metric", number=number), batches(number + 1, rows=5)[-1:])


def start(directory: Path, code: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *worker_process.arguments(directory)],
        stderr=subprocess.PIPE,
        text=True,
        env=worker_process.environment() | environment,
    )


def end(worker: subprocess.Popen[str]) -> str:
    worker.send_signal(signal.SIGTERM)
    _, said = worker.communicate(timeout=30)
    assert worker.returncode == 0, said
    return said


def test_a_worker_has_as_many_threads_after_many_loads_as_after_a_few(tmp_path: Path) -> None:
    """Each opening of the engine leaves five threads behind."""
    worker = worker_process.start(tmp_path)
    threads = []
    for number in range(16):
        append(tmp_path, number)
        worker_process.wait_for_words(worker, "loaded")
        threads.append(threads_of(worker))
    end(worker)
    assert threads[-1] - threads[3] < 5 * 6


def test_a_store_at_rest_is_given_to_whoever_wants_it(tmp_path: Path) -> None:
    worker = worker_process.start(tmp_path)
    for number in range(3):
        append(tmp_path, number)
        worker_process.wait_for_words(worker, "loaded")
        assert read(tmp_path) == 10 * (number + 1)
    end(worker)


@pytest.mark.parametrize("wants", [True, False], ids=["somebody waits", "nobody waits"])
def test_when_a_store_is_given_back(in_engine: InEngine, tmp_path: Path, wants: bool) -> None:
    assert in_engine(given_back_after, tmp_path, wants) == pytest.approx(0.0 if wants else holding.IDLE_S)


def given_back_after(directory: Path, wants: bool) -> float:
    """Seconds of rest until the lock is free."""
    settings, clock = settings_in(directory), FakeClock()
    assert settings.store_dir is not None
    hold = holding.Holding(settings, clock)
    hold.store()
    turn = os.open(settings.store_dir.with_name("store.next"), os.O_RDWR)
    if wants:
        lock._try(turn)
    try:
        while settings.store_dir.with_name("store.lock").read_text():
            hold.rest()
            clock.now += 1.0
        return clock.now - 1.0
    finally:
        os.close(turn)


def test_under_load_a_store_is_due_only_after_a_while_and_only_if_it_is_wanted(
    in_engine: InEngine, tmp_path: Path
) -> None:
    assert in_engine(due, tmp_path) == [False, False, False, True]


def due(directory: Path) -> list[bool]:
    settings, clock = settings_in(directory), FakeClock()
    assert settings.store_dir is not None
    hold = holding.Holding(settings, clock)
    hold.store()
    turn = os.open(settings.store_dir.with_name("store.next"), os.O_RDWR)
    found = []
    try:
        for wanted in (False, True):
            if wanted:
                lock._try(turn)
                clock.now = 0.0
            for moment in (0.0, holding.HOLD_S):
                clock.now = moment
                found.append(hold.due())
        return found
    finally:
        os.close(turn)
        hold.give_back()


def test_a_worn_worker_goes_on_as_a_fresh_process(in_engine: InEngine, tmp_path: Path) -> None:
    worker = start(tmp_path, SOON_WORN)
    for number in range(3):
        append(tmp_path, number)
        worker_process.wait_for_words(worker, "loaded")
        assert read(tmp_path) == 10 * (number + 1)
    said = end(worker)
    assert "stopped" in said
    assert "Traceback" not in said
    assert len(in_engine(tasks.points_of, tmp_path)) == 30


def test_a_stop_that_comes_as_a_worn_worker_hands_over_is_heard(tmp_path: Path) -> None:
    worker = start(tmp_path, SIGNALLED_AT_THE_END + SOON_WORN, SIGNAL_IT="1")
    append(tmp_path, 0)
    worker_process.wait_for_words(worker, "loaded")
    read(tmp_path)
    append(tmp_path, 1)
    _, said = worker.communicate(timeout=60)
    assert worker.returncode == 0, said
    assert "stopped" in said
