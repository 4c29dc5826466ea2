"""Disks that are full or read-only, as file systems of their own, and directories that are removed while in use.

Training goes on; what is lost is counted and said once.
"""

import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest
from event_files import events, last_status, points
from runs import start


def _mounting_refused() -> str:
    if shutil.which("unshare") is None:
        return "unshare is not installed"
    tried = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, text=True, check=False
    )
    return tried.stderr.strip()


REFUSED = _mounting_refused()
needs_mounts = pytest.mark.skipif(bool(REFUSED), reason=f"no file system of its own: {REFUSED}")

TOOLS = """
import errno, os, shutil, signal, subprocess, sys, time
from pathlib import Path
import runstream
small, out = Path(sys.argv[1]), Path(sys.argv[2])
def fill():
    with (small / "filler").open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True: file.write(bytes(size))
            except OSError as error:
                assert error.errno == errno.ENOSPC, error
def free():
    (small / "filler").unlink()
def forbid():
    subprocess.run(["mount", "-o", "remount,ro", small], check=True)
def allow():
    subprocess.run(["mount", "-o", "remount,rw", small], check=True)
"""


def run_on_small_disk(tmp_path: Path, body: str, *, mebibytes: int = 40) -> subprocess.CompletedProcess[str]:
    """Run a program with the paths `small`, a file system of that size, and `out`, which stays afterwards."""
    small, out = tmp_path / "small", tmp_path / "out"
    small.mkdir()
    out.mkdir()
    program = tmp_path / "program.py"
    program.write_text(TOOLS + textwrap.dedent(body))
    mount = f'mount -t tmpfs -o size={mebibytes}m tmpfs "$1" && exec "$0" "$2" "$1" "$3"'
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RUNSTREAM_")}
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount, sys.executable, str(small), str(program), str(out)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**environ, "RUNSTREAM_SYSTEM_PERIOD_S": "0", "RUNSTREAM_JOURNAL_BYTES": "6000000"},
    )


def said(stderr: str) -> Counter[str]:
    """What was said, by its first three words."""
    assert "Traceback" not in stderr, stderr
    return Counter(" ".join(line.split()[1:4]) for line in stderr.splitlines() if line.startswith("runstream: "))


@needs_mounts
@pytest.mark.parametrize("place", ["log directory", "log directory and journal"])
def test_a_disk_that_fills_up_costs_only_what_the_journal_does_not_hold(tmp_path: Path, place: str) -> None:
    done = run_on_small_disk(
        tmp_path,
        f"""
        run = runstream.init("test", dir={"out" if place == "log directory" else "small"}, url=f"file:{{small}}/log")
        run._background._capture.join()  # it takes longer than all of this training
        fill()
        for step in range(300_000): run.log({{"a": step, "b": 1.0}}, step)
        print("trained", flush=True)
        free()
        assert run.finish(timeout=60)
        shutil.copytree(small / "log", out / "copy/log")
        """,
    )
    assert (done.returncode, done.stdout) == (0, "trained\n"), done.stderr
    assert said(done.stderr) == {"cannot write to": 1, "the journal is": 1}
    end = last_status(tmp_path / "out/copy")
    kept = [step for step, _ in points(tmp_path / "out/copy")["a"]]
    assert (end["final"], end["crash_safe"], end["logged"]) == (True, True, 600_000)
    assert end["dropped"] == {"full": 600_000 - 2 * len(kept)} and end["dropped"]["full"] > 0
    assert kept == list(range(len(kept)))


@needs_mounts
@pytest.mark.parametrize(("spoil", "heal"), [("fill", "free"), ("forbid", "allow")], ids=["full", "read-only"])
def test_a_directory_that_takes_nothing_moves_the_journal_and_sync_finds_it(
    tmp_path: Path, spoil: str, heal: str
) -> None:
    done = run_on_small_disk(
        tmp_path,
        """
        SPOIL()
        trainer = f'''if True:
            import runstream, time
            run = runstream.init("test", dir={str(small)!r})
            run.log_artifact(__import__("sys").executable)
            for step in range(1000): run.log({"{'a': step}"}, step)
            print("trained", flush=True)
            time.sleep(60)
        '''
        os.environ["TMPDIR"] = str(out)
        process = subprocess.Popen([sys.executable, "-c", trainer], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"trained\\n"
        process.kill()
        process.wait()
        HEAL()
        from runstream.sync import sync_journals
        from runstream_schemas.settings import load
        print([(found.outcome, found.points) for found in sync_journals(load(dir=small))])
        shutil.copytree(small / "log", out / "copy/log")
        """.replace("SPOIL", spoil).replace("HEAL", heal),
    )
    assert (done.returncode, done.stdout) == (0, "[('shipped', 1000)]\n"), done.stderr
    assert set(said(done.stderr)) <= {"cannot write to", "artifact 'python' is"}
    assert [step for step, _ in points(tmp_path / "out/copy")["a"]] == list(range(1000))


@needs_mounts
def test_a_retry_on_a_full_disk_leaves_no_file_behind(tmp_path: Path) -> None:
    done = run_on_small_disk(
        tmp_path,
        """
        from uuid import uuid4
        from runstream.batches import Message
        from runstream.transport.base import TransportDown
        from runstream.transport.log_directory import LogDirectory
        fill()
        log = LogDirectory(small / "log", run_id=uuid4(), rank=0, attempt=1)
        for _ in range(5):
            try: log.send(0, [Message("metric", bytes(100_000))])
            except TransportDown as error: assert "No space left" in str(error)
            else: raise AssertionError("the disk is not full")
        print(len(list((small / "log").rglob("*.avro"))))
        free()
        log.send(0, [Message("metric", bytes(100_000))])
        print(len(list((small / "log").rglob("*.avro"))))
        """,
        mebibytes=4,
    )
    assert done.stdout == "0\n1\n", done.stderr


@needs_mounts
def test_an_artifact_waits_while_its_root_is_full_and_one_that_staging_cannot_hold_is_told(tmp_path: Path) -> None:
    done = run_on_small_disk(
        tmp_path,
        """
        weights, small_root = os.urandom(3_000_000), str(small / "root")
        (out / "ckpt.pt").write_bytes(weights)
        run = runstream.init("test", dir=out, artifacts=small_root)
        fill()
        run.log_artifact(out / "ckpt.pt", name="waits")
        run.log({"a": 1.0}, 0)
        print(run.finish(timeout=1), flush=True)
        free()
        from runstream.artifacts import complete_pending
        (done,) = complete_pending(out / "staging", None, lambda record: print(record["state"]) is None)
        fill()
        run = runstream.init("test", dir=small, url=f"file:{out}/second/log", artifacts=str(out / "root"))
        run.log_artifact(out / "ckpt.pt", name="lost")
        run.log({"a": 1.0}, 0)
        print(run.finish(), flush=True)
        assert not any((small / "staging").iterdir())
        """,
    )
    assert (done.returncode, done.stdout) == (0, "True\nstored\nTrue\n"), done.stderr
    assert said(done.stderr) == {"artifact 'waits' cannot": 1, "not uploaded: 1": 1, "artifact 'lost' is": 1}
    (lost,) = events(tmp_path / "out/second", "artifact")
    assert (lost["state"], "No space left on device" in lost["error"]) == ("failed", True)
    assert points(tmp_path / "out") == points(tmp_path / "out/second") == {"a": [(0, 1.0)]}


def test_a_directory_that_is_removed_while_training_is_made_again(tmp_path: Path) -> None:
    directory = tmp_path / "dir"
    checkpoint = tmp_path / "ckpt.pt"
    checkpoint.write_bytes(b"weights")
    run = start(directory)
    run.log_artifact(checkpoint, name="before")
    run.log({"a": 0.0}, 0)
    while not list((directory / "log/metric").glob("*.avro")) or any((directory / "staging").iterdir()):
        time.sleep(0.01)
    shutil.rmtree(directory)
    run.log({"a": 1.0}, 1)
    run.log_artifact(checkpoint, name="after")
    assert run.finish()
    assert points(directory) == {"a": [(1, 1.0)]}
    assert [(record["name"], record["state"]) for record in events(directory, "artifact")] == [("after", "stored")]
    assert last_status(directory)["logged"] == 2
