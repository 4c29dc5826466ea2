"""Runs that nobody refers to, that were forked or are over: each keeps its end, its lock and its counters."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from event_files import events, last_status, points
from runs import start
from test_killed_processes import script, steps, sync


def test_a_run_that_nobody_refers_to_any_more_ends_with_the_process(tmp_path: Path) -> None:
    process = script(
        tmp_path,
        """
        import gc
        run.log({"m": 0}, 0)
        run = runstream.init("test", dir=run._description.settings.dir)
        gc.collect()
        run.log({"m": 1}, 1)
        """,
    )
    process.communicate(timeout=30)
    assert [status["state"] for status in events(tmp_path, "status") if status["final"]] == ["finished", "finished"]
    assert steps(tmp_path) == [0, 1]


def test_a_sigterm_handler_between_two_runs_that_calls_ours_still_ends_the_process(tmp_path: Path) -> None:
    process = script(
        tmp_path,
        """
        run.finish()
        ours = signal.getsignal(signal.SIGTERM)
        def mine(number, frame):
            print("saved a checkpoint", flush=True)
            ours(number, frame)
        signal.signal(signal.SIGTERM, mine)
        run = runstream.init("test", dir=run._description.settings.dir)
        run.log({"m": 0}, 0)
        os.kill(os.getpid(), signal.SIGTERM)
        """,
    )
    out, _ = process.communicate(timeout=30)
    assert (out, process.returncode) == ("saved a checkpoint\n", -signal.SIGTERM)
    assert last_status(tmp_path)["state"] == "killed"


def test_a_process_that_copies_its_directory_keeps_its_journal(tmp_path: Path) -> None:
    with start(tmp_path / "runs") as run:
        run.log({"m": 0}, 0)
        shutil.copytree(tmp_path / "runs", tmp_path / "copy")
        code = (
            "import sys\nfrom runstream.sync import sync_journals\nfrom runstream_schemas.settings import load\n"
            "print([recovered.outcome for recovered in sync_journals(load(dir=sys.argv[1]))])"
        )
        command = [sys.executable, "-c", code, str(tmp_path / "runs")]
        other = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert other.stdout == "['in use']\n"


def test_a_forked_child_that_lives_on_does_not_keep_its_parents_journal_from_sync(tmp_path: Path) -> None:
    process = script(
        tmp_path,
        """
        run.log({"m": 0}, 0)
        if os.fork() == 0:
            print(os.getpid(), flush=True)
            time.sleep(60)
        time.sleep(60)
        """,
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.kill()
    process.wait()
    try:
        assert [recovered.outcome for recovered in sync(tmp_path)] == ["shipped"]
    finally:
        os.kill(child, signal.SIGKILL)
    assert steps(tmp_path) == [0]


def test_a_child_that_logs_after_its_parent_finished_tells_its_own_end(tmp_path: Path) -> None:
    process = script(
        tmp_path,
        """
        run.log({"m": 0}, 0)
        run.finish()
        pid = os.fork()
        if pid == 0:
            run.log({"m": 1}, 1)
            run.finish()
            os._exit(0)
        os.waitpid(pid, 0)
        """,
    )
    process.communicate(timeout=30)
    assert [status["state"] for status in events(tmp_path, "status") if status["final"]] == ["finished", "finished"]


def test_what_a_finished_child_drops_is_not_counted_as_its_parents(tmp_path: Path) -> None:
    process = script(
        tmp_path,
        """
        run.log({"m": 0}, 0)
        pid = os.fork()
        if pid == 0:
            run.finish()
            run.log({"m": 1, "n": 1})
            os._exit(0)
        os.waitpid(pid, 0)
        """,
    )
    process.communicate(timeout=30)
    assert last_status(tmp_path)["dropped"] == {}


def test_a_finished_run_holds_no_disk_however_long_it_is_referred_to(tmp_path: Path) -> None:
    run = start(tmp_path)
    run.log({"m": 0})
    assert run.finish()
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()
    held = [str(fd.readlink()) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()]
    assert not [path for path in held if ".journal" in path and str(tmp_path) in path]


def test_an_artifact_after_finish_is_said_and_leaves_nothing_in_staging(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "model").write_bytes(b"weights")
    run = start(tmp_path / "runs")
    assert run.finish()
    run.log_artifact(tmp_path / "model")
    assert [r for r in caplog.records if "log_artifact was called after finish" in r.getMessage()]
    assert not (tmp_path / "runs" / "staging").exists()


def test_a_sample_that_comes_after_finish_is_no_loss(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = start(tmp_path)
    run._attempt.writer.close()
    run._attempt.writer.append_aside({"system/cpu_percent": 1.0}, 1)
    assert run.finish()
    assert (last_status(tmp_path)["dropped"], points(tmp_path)) == ({}, {})
    assert not [r for r in caplog.records if "after finish" in r.getMessage()]


WORKERS = """
import multiprocessing, sys
import runstream

def work(number):
    if sys.argv[3] == "in the worker":
        runstream.init("test", dir=sys.argv[1])
    runstream.log({"m": number}, number)
    if number == 2:
        raise ValueError("bad loss")

if __name__ == "__main__":
    if sys.argv[3] == "before":
        runstream.init("test", dir=sys.argv[1])
    workers = [multiprocessing.get_context(sys.argv[2]).Process(target=work, args=(n,)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
"""


@pytest.mark.parametrize(
    ("method", "begun"),
    [("fork", "in the worker"), ("fork", "before"), ("spawn", "in the worker"), ("forkserver", "in the worker")],
)
def test_a_worker_of_multiprocessing_ends_its_run_and_tells_how(tmp_path: Path, method: str, begun: str) -> None:
    (tmp_path / "job.py").write_text(WORKERS)
    command = [sys.executable, str(tmp_path / "job.py"), str(tmp_path), method, begun]
    subprocess.run(command, capture_output=True, timeout=60, check=True)
    ends = sorted((end["state"], end["error"]) for end in events(tmp_path, "status") if end["final"])
    finished = 2 if begun == "in the worker" else 3
    assert ends == [("failed", "ValueError: bad loss"), *finished * [("finished", "")]]
    assert steps(tmp_path) == [0, 1, 2]
    assert sync(tmp_path) == []


def test_sigterm_while_finish_waits_leaves_the_end_in_the_journal(tmp_path: Path) -> None:
    process = script(
        tmp_path,
        """
        run.log({"m": 0}, 0)
        def waits(timeout_s):
            print("in finish", flush=True)
            # A signal just before a sleep is noticed only at its end.
            for _ in range(6000): time.sleep(0.01)
        run._background.stop = waits
        run.finish()
        """,
    )
    assert process.stdout is not None and process.stdout.readline() == "in finish\n"
    process.terminate()
    assert process.wait(20) == -signal.SIGTERM
    assert [recovered.outcome for recovered in sync(tmp_path)] == ["shipped"]
    assert last_status(tmp_path)["state"] == "finished"
