"""Several processes and one embedded store: everybody gets in, nobody spoils anything."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import engine_tasks as tasks
import pytest
import worker_process
from ingest_support import batches, segment, segment_path, write_segment

from runstream_ingest import lock
from runstream_schemas.exit_codes import ExitCode

InEngine = Callable[..., Any]

HOLDER = """
import sys
from pathlib import Path
from runstream_ingest import lock
with lock.hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""

ENGINE_HOLDER = """
import sys
from chdb.session import Session
session = Session(sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
session.close()
"""

READER = """
import sys
from pathlib import Path
from runstream_ingest.store import load_new, open_store
from runstream_schemas import settings
directory = Path(sys.argv[1])
for _ in range(int(sys.argv[2])):
    with open_store(settings.load(environ={}, cwd=directory, dir=directory / ".runstream")) as store:
        load_new(store, [directory / "log"])
        print(store.client.query("SELECT count() FROM points").result_rows[0][0], flush=True)
"""


@pytest.fixture(params=[HOLDER, ENGINE_HOLDER], ids=["ours", "the engine alone"])
def holder(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    process = subprocess.Popen(
        [sys.executable, "-c", request.param, str(tmp_path / "store")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_waits_names_the_holder_and_gets_in(holder: Any, tmp_path: Path) -> None:
    named: list[int | None] = []

    def let_go(pid: int | None) -> None:
        named.append(pid)
        assert lock.wanted(tmp_path / "store")
        holder.stdin.write("\n")
        holder.stdin.flush()

    assert not lock.wanted(tmp_path / "store")
    with lock.hold(tmp_path / "store", wait_s=20, on_wait=let_go):
        assert named == [holder.pid]


def test_a_store_that_is_never_let_go_is_busy(holder: Any, tmp_path: Path) -> None:
    with pytest.raises(lock.StoreBusy, match=str(holder.pid)), lock.hold(tmp_path / "store", wait_s=0.05):
        pass


def test_a_killed_holder_holds_nothing(holder: Any, tmp_path: Path) -> None:
    holder.kill()
    holder.wait()
    with lock.hold(tmp_path / "store", wait_s=5):
        pass


def test_threads_of_one_process_hold_the_store_together(tmp_path: Path) -> None:
    inside = threading.Event()

    def second() -> None:
        with lock.hold(tmp_path / "store", wait_s=1):
            inside.set()

    with lock.hold(tmp_path / "store"):
        thread = threading.Thread(target=second)
        thread.start()
        assert inside.wait(5)
        thread.join()


def test_who_waits_comes_before_who_comes_back(tmp_path: Path) -> None:
    """Each of two processes takes the lock again the moment it lets go; still they take turns."""
    greedy = (
        "import sys\nfrom pathlib import Path\nfrom runstream_ingest import lock\n"
        "while True:\n    with lock.hold(Path(sys.argv[1])):\n        print('mine', flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", greedy, str(tmp_path / "store")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "mine\n"
        drain = threading.Thread(target=process.stdout.read, daemon=True)
        drain.start()
        for _ in range(20):
            with lock.hold(tmp_path / "store", wait_s=5):
                pass
    finally:
        process.kill()
        process.wait()


def test_a_busy_store_has_its_own_exit_status(tmp_path: Path) -> None:
    store = tmp_path / ".runstream" / "store"
    with lock.hold(store):
        result = subprocess.run(
            [
                sys.executable,
                "-c",
                worker_process.WORKER,
                *worker_process.arguments(tmp_path, "--once", "--wait", "0.1"),
            ],
            capture_output=True,
            text=True,
            env=worker_process.environment(),
            timeout=30,
            check=False,
        )
    assert result.returncode == ExitCode.STORE_BUSY
    assert "Traceback" not in result.stderr


def test_drains_at_the_same_time_load_everything_once(in_engine: InEngine, tmp_path: Path) -> None:
    write_segment(segment_path(tmp_path / "log", "metric"), batches(30))
    workers = [worker_process.start(tmp_path, "--once", "--json") for _ in range(3)]
    loaded = []
    for worker in workers:
        out, err = worker.communicate(timeout=60)
        assert worker.returncode == 0, err
        loaded.append(json.loads(out)[0]["points"])
    assert sorted(loaded) == [0, 0, 1200]
    assert len(in_engine(tasks.points_of, tmp_path)) == 1200


def test_two_readers_in_a_loop_get_in_while_a_worker_follows(in_engine: InEngine, tmp_path: Path) -> None:
    whole = segment(batches(200, rows=5))
    path = segment_path(tmp_path / "log", "metric")
    worker = worker_process.start(tmp_path)
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, str(tmp_path), "6"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        # The log grows whenever a reader has read, in pieces that end inside blocks.
        assert readers[0].stdout is not None
        for piece in range(6):
            with path.open("ab") as file:
                file.write(whole[len(whole) * piece // 6 : len(whole) * (piece + 1) // 6])
            assert readers[0].stdout.readline().strip().isdigit()
        for reader in readers:
            out, err = reader.communicate(timeout=60)
            assert reader.returncode == 0, err
            counts = [int(line) for line in out.split()]
            assert counts == sorted(counts)
        assert worker.poll() is None
    finally:
        for reader in readers:
            reader.kill()
        worker.send_signal(signal.SIGTERM)
        _, said = worker.communicate(timeout=30)
    assert worker.returncode == 0, said
    assert "stopped" in said
    in_engine(tasks.load, tmp_path, tmp_path / "log")
    assert len(in_engine(tasks.points_of, tmp_path)) == 200 * 10
