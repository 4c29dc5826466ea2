"""Processes of a job in a process group of its own, as a terminal starts them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
JOB = """
import signal, sys, time
from processes import Processes

def deaf(_):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print("deaf", flush=True)
    time.sleep(600)

def failing():
    sys.exit(3)

def launcher():
    with Processes() as ranks:
        ranks.start(deaf, 0)
        while ended := ranks.wait():
            pass

if __name__ == "__main__":
    with Processes() as processes:
        processes.start(launcher)
        {then}
"""


def started(then):
    return subprocess.Popen(
        [sys.executable, "-c", JOB.format(then=then)],
        cwd=EXAMPLES,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_process_that_misses_ctrl_c_is_ended_with_its_job():
    job = started("processes.wait()")
    assert job.stdout.readline() == "deaf\n"
    os.killpg(job.pid, signal.SIGINT)
    _, err = job.communicate(timeout=60)  # until no process has these pipes any more
    assert job.returncode == -signal.SIGINT
    assert err.splitlines()[-1] == "KeyboardInterrupt"


def test_the_other_processes_are_ended_when_one_fails():
    job = started("processes.start(failing); print(processes.wait()[0].exitcode)")
    out, err = job.communicate(timeout=60)
    assert ("3" in out.split(), err, job.returncode) == (True, "", 0)
