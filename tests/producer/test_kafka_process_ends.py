"""How processes end that ship to a broker: killed, without a word, or forked and living on."""

import os
import signal
from pathlib import Path

import pytest
import topics
from runs import start
from topics import sync

from broker.kafka import Cluster

pytestmark = pytest.mark.usefixtures("own_topics")


def test_a_process_that_ends_by_a_signal_or_without_finish_before_a_dead_broker_neither_hangs_nor_loses(
    own_broker: Cluster, prefix: str, tmp_path: Path
) -> None:
    node = topics.make_and_leave(own_broker, prefix)
    endings = ["os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", "pass", "raise ValueError('x')", "os._exit(0)"]
    processes = [
        topics.trainer(
            tmp_path / str(number),
            own_broker.url,
            prefix,
            f"for step in range(100): run.log({{'m{number}': step}}, step)\n{ending}",
        )
        for number, ending in enumerate(endings)
    ]
    codes = []
    for process in processes:
        process.communicate(timeout=20)
        codes.append(process.returncode)
    assert codes == [-signal.SIGTERM, 0, 1, 0]
    own_broker.start(node)
    for number in range(len(endings)):
        assert [found.outcome for found in sync(tmp_path / str(number))] == ["shipped"]
    found = topics.records(own_broker.url, prefix)
    assert {name: len(values) for name, values in topics.points(found).items()} == {f"m{n}": 100 for n in range(4)}
    assert sorted(end["state"] for end in topics.ends(found)) == ["failed", "finished", "killed", "lost"]


def test_a_forked_child_has_a_client_of_its_own_and_leaves_its_parents_alone(
    broker: Cluster, prefix: str, tmp_path: Path
) -> None:
    topics.make_topics(broker.url, prefix)
    process = topics.trainer(
        tmp_path,
        broker.url,
        prefix,
        """
        for step in range(100): run.log({"m": step}, step)
        time.sleep(1.5)
        children = []
        for child in range(3):
            pid = os.fork()
            if pid == 0:
                if child:
                    for step in range(100 * child, 100 * child + 100): run.log({"m": step}, step)
                sys.exit(0)
            children.append(pid)
        for pid in children: os.waitpid(pid, 0)
        for step in range(300, 400): run.log({"m": step}, step)
        """,
    )
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    found = topics.records(broker.url, prefix)
    assert topics.steps(found) == list(range(400))
    assert sorted(end["queued"] for end in topics.ends(found)) == [100, 100, 200]


def test_a_forked_child_that_lives_on_does_not_hold_its_parents_spill(
    own_broker: Cluster, prefix: str, tmp_path: Path
) -> None:
    node = topics.make_and_leave(own_broker, prefix)
    process = topics.trainer(
        tmp_path,
        own_broker.url,
        prefix,
        """
        run.log({"m": 1}, 1)
        wait_for_spill()
        pid = os.fork()
        if pid == 0: print(os.getpid(), flush=True)
        time.sleep(60)
        """,
        RUNSTREAM_KAFKA_OPTIONS=topics.QUICK,
    )
    child = int(topics.line_of(process))
    process.kill()
    process.wait()
    own_broker.start(node)
    try:
        assert {found.outcome for found in sync(tmp_path)} == {"shipped"}
    finally:
        os.kill(child, signal.SIGKILL)
    assert topics.steps(topics.records(own_broker.url, prefix)) == [1]


def test_a_run_that_ended_while_the_broker_was_away_keeps_one_file_open(prefix: str, tmp_path: Path) -> None:
    """A sweep in one process would run out of them."""
    runs = [start(tmp_path, url="kafka://127.0.0.1:1") for _ in range(2)]
    for run in runs:
        run.log({"m": 1.0})
        run.set_tag("k", "v")
        run.finish(timeout=0)
    topics.wait_until(lambda: not list((tmp_path / "journal").glob("*.journal")))
    assert len(topics.spilled(tmp_path)) >= 2 * 3
    topics.wait_until(lambda: open_files(tmp_path) == ["lock", "lock"])


def open_files(directory: Path) -> list[str]:
    """Names of the files below a directory that this process has open."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = descriptor.readlink()
        except OSError:
            continue  # closed meanwhile
        if directory in target.parents:
            found.append(target.name)
    return sorted(found)
