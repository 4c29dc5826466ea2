"""A worker on topics killed anywhere: whoever comes next completes the store, and every view equals the model."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import http_stores
import kafka_tasks
import pytest
from ingest_support import history
from kafka_worker import QUICK, committed
from test_crashes import CALLS, STRACE, needs_strace, spread
from worker_process import WORKER

from broker.kafka import Cluster

pytest_plugins = ("http_front.fixture", "http_fixtures")

MOMENTS = {
    "before the commit is sent": "import runstream_ingest.sources.commits as c; c.Commits.send = lambda *_: die()",
    "after the commit is sent": "import runstream_ingest.sources.commits as c; send = c.Commits.send; "
    "c.Commits.send = lambda *a: (send(*a), die())",
    "when it is answered": "import runstream_ingest.sources.commits as c; c.Commits.answered = lambda *_: die()",
    "after the insert": "import runstream_ingest.sink as s; insert = s.HttpInserter.insert; "
    "s.HttpInserter.insert = lambda *a: (insert(*a), die())",
}
DIE = "import os; die = lambda: os.kill(os.getpid(), 9); "


@pytest.mark.parametrize("moment", MOMENTS)
def test_sigkill_around_a_commit_loses_and_doubles_nothing(
    moment: str, broker: Cluster, prefix: str, tmp_path: Path, url: str, model: dict[str, list[str]]
) -> None:

    kafka_tasks.make_topics(broker.url, prefix, partitions=2)
    kafka_tasks.produce(broker.url, prefix, history())
    environ = kafka_tasks.worker_environment(
        tmp_path, broker.url, prefix, RUNSTREAM_STORE=url, RUNSTREAM_KAFKA_OPTIONS=QUICK
    )
    killed = run(environ, DIE + MOMENTS[moment] + "\n" + WORKER)
    assert killed.returncode == -9, killed.stderr
    assert kafka_tasks.drain(environ).returncode == 0
    assert http_stores.shown(url, tmp_path) == model
    positions = committed(broker, prefix)
    assert sum(positions.values()) == sum(map(len, history().values()))


@needs_strace
def test_sigkill_at_any_write_or_rename_of_an_insert_loses_and_doubles_nothing(
    broker: Cluster, prefix: str, tmp_path: Path, model: dict[str, list[str]], in_engine: Callable[..., Any]
) -> None:
    kafka_tasks.make_topics(broker.url, prefix)
    kafka_tasks.produce(broker.url, prefix, history())
    beginning, stage = tmp_path / "beginning", tmp_path / "stage"
    in_engine(kafka_tasks.seen, beginning)

    def environment(group: str) -> dict[str, str]:
        # A group of its own each time reads everything again.
        shutil.rmtree(stage, ignore_errors=True)
        shutil.copytree(beginning, stage, symlinks=True)
        own = {"RUNSTREAM_INGEST_GROUP": f"{prefix}.{group}", "RUNSTREAM_KAFKA_OPTIONS": QUICK}
        return kafka_tasks.worker_environment(stage, broker.url, prefix, **own)

    trace = tmp_path / "trace"
    assert run(environment("traced"), WORKER, *STRACE, "-o", str(trace)).returncode == 0
    assert in_engine(kafka_tasks.seen, stage) == model
    # The first part of each table, however the events were dealt to batches this time.
    moments = dict.fromkeys(
        ("".join(calls), path)
        for *calls, path in CALLS.findall(trace.read_text())
        if "/tmp_insert_" in path and "_1_1_0" in path and "fsync" not in calls
    )
    for number, (call, path) in enumerate(spread(list(moments))):
        environ = environment(str(number))
        inject = ("-o", "/dev/null", "-P", path, "-e", f"inject={call}:signal=KILL:when=1")
        killed = run(environ, WORKER, *STRACE, *inject)
        assert killed.returncode != 0, (call, path)
        assert kafka_tasks.drain(environ).returncode == 0
        assert in_engine(kafka_tasks.seen, stage) == model, (call, path)


def run(environ: dict[str, str], code: str, *prefix: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, sys.executable, "-c", code, "run", "--once"],
        capture_output=True,
        text=True,
        env=environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        timeout=90,
        check=False,
    )
