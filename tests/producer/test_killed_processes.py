"""Real processes that die, fork or are told to stop: nothing that was logged is lost, and the end is told as it was."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from event_files import events, points

from runstream.sync import Recovered, sync_journals
from runstream_schemas.settings import load


def script(directory: Path, body: str, **environ: str) -> subprocess.Popen[str]:
    """A Python process that has made `run` in the directory."""
    code = f"import os, signal, sys, time\nimport runstream\nrun = runstream.init('test', dir={str(directory)!r})\n"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RUNSTREAM_")}
    return subprocess.Popen(
        [sys.executable, "-c", code + textwrap.dedent(body)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**clean, "RUNSTREAM_SYSTEM_PERIOD_S": "0", **environ},
    )


def steps(directory: Path, metric: str = "m") -> list[int]:
    return sorted(step for step, _ in points(directory).get(metric, []))


def sync_now(directory: Path) -> list[Recovered]:
    return list(sync_journals(load(dir=directory, environ={}), timeout_s=10))


def sync(directory: Path) -> list[Recovered]:
    """What it finds of killed processes. A child that one was starting, such as git, holds the lock until it runs."""
    deadline = time.monotonic() + 10
    while True:
        recovered = sync_now(directory)
        if all(found.outcome != "in use" for found in recovered) or time.monotonic() > deadline:
            return recovered
        time.sleep(0.01)


def test_sigkill_loses_no_point_and_sync_tells_the_end(tmp_path: Path) -> None:
    process = script(
        tmp_path,
        """
        for step in range(50_000):
            run.log({"m": step, "n": 1.0}, step)
        print("logged", flush=True)
        time.sleep(60)
        """,
    )
    assert process.stdout is not None and process.stdout.readline() == "logged\n"
    process.kill()
    process.wait()
    (recovered,) = sync(tmp_path)
    assert (recovered.outcome, recovered.points) == ("shipped", 100_000)
    assert steps(tmp_path) == list(range(50_000))
    end = events(tmp_path, "status")[-1]
    assert (end["state"], end["final"], end["queued"], end["last_step"]) == ("lost", True, 100_000, 49_999)
    assert end["last_seq"] + 1 == len({record["seq"] for record in events(tmp_path, "metric")})
    assert not list((tmp_path / "journal").glob("*.journal"))
    assert sync(tmp_path) == []


@pytest.mark.parametrize("kill_after_s", [0.05, 0.2, 0.5, 1.1])
def test_sigkill_at_any_moment_loses_only_what_was_not_logged_yet(tmp_path: Path, kill_after_s: float) -> None:
    process = script(
        tmp_path,
        f"""
        progress = open({str(tmp_path / "progress")!r}, "w")
        step = 0
        print("begun", flush=True)
        while True:
            run.log({{"m": step}}, step)
            step += 1
            if step % 50 == 0:
                os.pwrite(progress.fileno(), b"%d" % step, 0)
        """,
    )
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    time.sleep(kill_after_s)
    process.kill()
    process.wait()
    (recovered,) = sync(tmp_path)
    text = (tmp_path / "progress").read_text()
    certain = int(text) if text else 0
    found = steps(tmp_path)
    assert recovered.outcome == "shipped"
    assert len(found) >= certain
    assert found == list(range(len(found)))
    assert recovered.points == len(found)


@pytest.mark.parametrize("step_of_shipping", ["cutting", "sending"])
def test_a_batch_is_the_same_when_the_process_died_after(step_of_shipping: str, tmp_path: Path) -> None:
    process = script(
        tmp_path,
        f"""
        from runstream.journal.ring import Ring
        from runstream.transport.log_directory import LogDirectory
        die = lambda: os.kill(os.getpid(), signal.SIGKILL)
        record, send = Ring.record, LogDirectory.send
        def record_then_die(self, shipment):
            record(self, shipment)
            if shipment.seq == 1: die()
        def send_then_die(self, number, messages):
            send(self, number, messages)
            if any(m.event == "metric" for m in messages) and run.last: die()
        run.last = False
        {"Ring.record = record_then_die" if step_of_shipping == "cutting" else "LogDirectory.send = send_then_die"}
        for step in range(100_000):
            run.log({{"m": step, "n": 2}}, step)
            run.last = step > 40_000
        time.sleep(60)
        """,
    )
    assert process.wait(30) == -signal.SIGKILL
    before = len(events(tmp_path, "metric"))
    (recovered,) = sync(tmp_path)
    assert recovered.outcome == "shipped"
    found = steps(tmp_path)
    assert found == list(range(len(found))) and len(found) * 2 == recovered.points
    seqs = [record["seq"] for record in events(tmp_path, "metric")]
    assert sorted(set(seqs)) == list(range(max(seqs) + 1))
    assert len(seqs) > before


def test_the_journal_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    process = script(tmp_path, "print('up', flush=True)\ntime.sleep(60)")
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    assert [recovered.outcome for recovered in sync_now(tmp_path)] == ["in use"]
    process.kill()
    process.wait()


def test_what_the_log_directory_refused_is_shipped_by_sync_once_it_is_back(tmp_path: Path) -> None:
    blocked = tmp_path / "log"
    blocked.touch()
    process = script(tmp_path, "for step in range(10): run.log({'m': step}, step)\nprint(run.finish(timeout=0.2))")
    out, err = process.communicate(timeout=30)
    assert out == "False\n" and "runstream sync" in err and "Traceback" not in err
    blocked.unlink()
    assert [recovered.outcome for recovered in sync(tmp_path)] == ["shipped"]
    assert steps(tmp_path) == list(range(10))
    assert events(tmp_path, "status")[-1]["state"] == "finished"


def test_a_forked_child_that_logs_is_an_attempt_of_its_own_and_both_are_complete(tmp_path: Path) -> None:
    process = script(
        tmp_path,
        """
        log = run.log
        for step in range(100): log({"m": step}, step)
        pid = os.fork()
        if pid == 0:
            for step in range(100, 200): log({"m": step}, step)
            run.set_tag("child")
            run.finish()
            os._exit(0)
        os.waitpid(pid, 0)
        for step in range(200, 300): log({"m": step}, step)
        """,
    )
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert steps(tmp_path) == list(range(300))
    ends = [status for status in events(tmp_path, "status") if status["final"]]
    assert len({end["attempt"] for end in ends}) == 2
    assert sorted(end["queued"] for end in ends) == [100, 200]
    assert {tag["attempt"] for tag in events(tmp_path, "tag")} == {max(end["attempt"] for end in ends)}


def test_a_forked_child_that_ends_at_once_still_tells_where_it_ran(tmp_path: Path) -> None:
    process = script(
        tmp_path,
        """
        run.log({"m": 0}, 0)
        pid = os.fork()
        if pid == 0:
            print(os.getpid(), flush=True)
            run.log({"m": 1}, 1)
            sys.exit(0)
        os.waitpid(pid, 0)
        """,
    )
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert {told["pid"] for told in events(tmp_path, "run")} == {process.pid, int(out)}


def test_a_forked_child_that_logs_nothing_changes_nothing(tmp_path: Path) -> None:
    process = script(
        tmp_path,
        """
        run.log({"m": 0}, 0)
        pid = os.fork()
        if pid == 0: sys.exit(0)
        os.waitpid(pid, 0)
        run.log({"m": 1}, 1)
        """,
    )
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert steps(tmp_path) == [0, 1]
    assert [s["state"] for s in events(tmp_path, "status") if s["final"]] == ["finished"]


ENDINGS = {
    "exit without finish": ("pass", "finished", ""),
    "uncaught exception": ("raise ValueError('bad loss')", "failed", "ValueError: bad loss"),
    "interrupt": ("os.kill(os.getpid(), signal.SIGINT); time.sleep(5)", "killed", "KeyboardInterrupt"),
    "exit inside of with": ("with run: sys.exit(0)", "finished", ""),
    "exit with a code inside of with": ("with run: sys.exit(3)", "failed", "SystemExit: 3"),
    "exception inside of with": ("with run: raise KeyError('lr')", "failed", "KeyError: 'lr'"),
    "terminated": ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(5)", "killed", "SIGTERM"),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_process_that_just_ends_tells_how(tmp_path: Path, ending: str) -> None:
    body, state, error = ENDINGS[ending]
    process = script(tmp_path, f"for step in range(10): run.log({{'m': step}}, step)\n{body}")
    process.communicate(timeout=30)
    assert steps(tmp_path) == list(range(10))
    end = events(tmp_path, "status")[-1]
    assert (end["state"], end["error"], end["final"]) == (state, error, True)
    if ending == "terminated":
        assert process.returncode == -signal.SIGTERM


def test_the_users_own_sigterm_handler_still_runs(tmp_path: Path) -> None:
    code = f"""
import os, signal, sys
def mine(number, frame):
    print("saved a checkpoint", flush=True)
    sys.exit(3)
signal.signal(signal.SIGTERM, mine)
import runstream
run = runstream.init("test", dir={str(tmp_path)!r})
run.log({{"m": 1}}, 1)
os.kill(os.getpid(), signal.SIGTERM)
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (process.stdout, process.returncode) == ("saved a checkpoint\n", 3)
    assert events(tmp_path, "status")[-1]["state"] == "killed"


def test_sigterm_in_the_middle_of_log_calls_neither_hangs_nor_loses_what_was_logged(tmp_path: Path) -> None:
    process = script(
        tmp_path,
        """
        print("begun", flush=True)
        step = 0
        while True:
            run.log({"m": step}, step)
            step += 1
        """,
    )
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    time.sleep(0.3)
    process.terminate()
    assert process.wait(20) == -signal.SIGTERM
    found = steps(tmp_path)
    assert found == list(range(len(found))) and found
    end = events(tmp_path, "status")[-1]
    assert (end["state"], end["queued"]) == ("killed", len(found))


def test_a_spawned_worker_with_the_same_run_id_is_another_attempt(tmp_path: Path) -> None:
    processes = [
        script(
            tmp_path,
            f"for step in range({i * 10}, {i * 10 + 10}): run.log({{'m': step}}, step)",
            RUNSTREAM_RUN_ID="one",
        )
        for i in range(2)
    ]
    for process in processes:
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
    assert steps(tmp_path) == list(range(20))
    assert len({(r["run_id"], r["attempt"]) for r in events(tmp_path, "run")}) == 2
    assert len({r["run_id"] for r in events(tmp_path, "run")}) == 1
