"""What goes wrong around a worker: files of others, directories that vanish, disks that are full. It goes on."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import engine_tasks as tasks
import pytest
import worker_process
from ingest_support import OTHER, RUN, batches, segment, segment_path, write_segment
from worker_process import wait_for_words

from runstream_schemas.exit_codes import ExitCode

InEngine = Callable[..., Any]

MOUNT = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=12m tmpfs "$0" && exec "$@"')
"""Runs a command that sees a small disk of its own at a directory."""

# Root may read everything, unless it gives up these rights.
ONLY_OWN_RIGHTS = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()


def works(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts workers, and ends them when the test has not."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: Any, **options: Any) -> subprocess.Popen[str]:
        started.append(worker_process.start(*arguments, **options))
        return started[-1]

    yield begin
    for worker in started:
        worker.kill()
        worker.communicate()


def stop(worker: subprocess.Popen[str], number: int = signal.SIGTERM) -> None:
    worker.send_signal(number)
    _, said = worker.communicate(timeout=30)
    assert worker.returncode == 0, said
    assert said.endswith("stopped\n")
    assert "Traceback" not in said


def test_files_that_are_foreign_damaged_or_from_the_future_are_named_and_cost_nobody_anything(
    in_engine: InEngine, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    whole = segment(batches(3, run_id=OTHER))
    overwritten = bytearray(whole)
    middle = whole.index(batches(3, run_id=OTHER)[1])
    overwritten[middle - 2 : middle + 100] = os.urandom(102)
    future = whole.replace(b'"name":"attempt"', b'"name":"journey"')
    assert future != whole
    for number, content in enumerate((b"PK\x03\x04 a zip file", b"", bytes(overwritten), whole[:-30], future)):
        segment_path(log, "metric", OTHER, number).write_bytes(content)
    segment_path(log, "metric", OTHER, 5).mkdir()
    write_segment(segment_path(log, "metric"), batches(4))

    done = worker_process.once(tmp_path)
    assert done.returncode == 0
    for number, words in ((0, "is not a segment"), (2, "is damaged at"), (4, "waits for a version"), (5, "read")):
        assert any(f".000{number}.avro" in line and words in line for line in done.stderr.splitlines()), done.stderr
    assert "Traceback" not in done.stderr
    points = in_engine(tasks.points_of, tmp_path)
    # Of the overwritten file two batches are left, and of the torn one the same first one and its neighbour.
    assert len({point for point in points if point[1] == str(OTHER)}) == 3 * 40
    assert len([point for point in points if point[1] == str(RUN)]) == 4 * 40


def test_a_log_directory_that_vanishes_while_it_is_followed_is_used_when_it_is_back(
    in_engine: InEngine, tmp_path: Path, start: Start
) -> None:
    log, away = tmp_path / "log", tmp_path / "away"
    write_segment(segment_path(log, "metric"), batches(2))
    worker = start(tmp_path)
    wait_for_words(worker, "loaded 2 events")
    log.rename(away)
    assert str(log) in wait_for_words(worker, "No such file")
    write_segment(segment_path(away, "metric", OTHER), batches(3, run_id=OTHER))
    away.rename(log)
    wait_for_words(worker, "loaded 3 events")
    stop(worker, signal.SIGINT)
    assert len(in_engine(tasks.points_of, tmp_path)) == 5 * 40


@pytest.mark.skipif(not works(*ONLY_OWN_RIGHTS, "true"), reason="root cannot give up its right to read everything")
@pytest.mark.parametrize("place", ["log", "log/metric", "log/metric/{}"])
def test_what_becomes_unreadable_while_it_is_followed_is_named_and_read_when_it_is_allowed(
    in_engine: InEngine, tmp_path: Path, start: Start, place: str
) -> None:
    write_segment(segment_path(tmp_path / "log", "tag"), [], "tag")
    write_segment(segment_path(tmp_path / "log", "metric"), batches(2))
    worker = start(tmp_path, prefix=ONLY_OWN_RIGHTS)
    wait_for_words(worker, "loaded 2 events")
    more = write_segment(segment_path(tmp_path / "later", "metric", OTHER), batches(3, run_id=OTHER))
    barred = tmp_path / place.format(more.name)
    arrived = tmp_path / "log" / "metric" / more.name
    if barred == arrived:
        more.chmod(0)
        more.rename(arrived)
    else:
        barred.chmod(0)
    wait_for_words(worker, "Permission denied")
    barred.chmod(0o700)
    if barred != arrived:
        more.rename(arrived)
    wait_for_words(worker, "loaded 3 events")
    stop(worker)
    assert len(in_engine(tasks.points_of, tmp_path)) == 5 * 40


@pytest.mark.skipif(not works(*MOUNT, "/mnt", "true"), reason="a small disk may not be mounted here")
def test_a_full_disk_under_the_store_is_named_and_everything_arrives_once_there_is_room(
    tmp_path: Path, start: Start
) -> None:
    small = tmp_path / ".runstream"
    small.mkdir()
    write_segment(segment_path(tmp_path / "log", "metric"), batches(2))
    worker = start(tmp_path, prefix=(*MOUNT, str(small)))
    wait_for_words(worker, "loaded 2 events with 80 points")
    seen_by_worker = Path(f"/proc/{worker.pid}/root") / small.relative_to("/")
    filler = seen_by_worker / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(4096))
    write_segment(segment_path(tmp_path / "log", "metric", OTHER), batches(30, run_id=OTHER))
    assert "space" in wait_for_words(worker, "trying again")
    assert worker.poll() is None
    filler.unlink()
    wait_for_words(worker, "loaded 30 events with 1,200 points")
    stop(worker)


@pytest.mark.skipif(not works(*MOUNT, "/mnt", "true"), reason="a small disk may not be mounted here")
def test_a_command_on_a_full_disk_says_so_and_ends(tmp_path: Path) -> None:
    small = tmp_path / ".runstream"
    small.mkdir()
    write_segment(segment_path(tmp_path / "log", "metric"), batches(2))
    fill = 'dd if=/dev/zero "of=$0" bs=4k 2>/dev/null; exec "$@"'
    done = worker_process.once(tmp_path, prefix=(*MOUNT, str(small), "sh", "-c", fill, str(small / "filler")))
    assert done.returncode == ExitCode.STORE_FAILED
    assert "No space left" in done.stderr
    assert str(small) in done.stderr
    assert "Traceback" not in done.stderr
