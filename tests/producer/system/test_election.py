from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from runstream.system.election import NodeElection

RUN = UUID(int=7)

HOLDER = """
import sys
from pathlib import Path
from runstream.system.election import NodeElection
election = NodeElection(sys.argv[1], 0, Path(sys.argv[2]))
print(election.acquire(), flush=True)
sys.stdin.read()
"""


def test_one_of_all_ranks_on_a_node_is_elected_and_stays(tmp_path: Path) -> None:
    ranks = [NodeElection(RUN, 0, tmp_path) for _ in range(4)]
    for _ in range(2):
        assert [rank.acquire() for rank in ranks] == [True, False, False, False]


def test_another_run_and_another_node_elect_their_own(tmp_path: Path) -> None:
    elections = [NodeElection(RUN, 0, tmp_path), NodeElection(RUN, 1, tmp_path), NodeElection(UUID(int=8), 0, tmp_path)]
    assert [election.acquire() for election in elections] == [True, True, True]


def test_who_releases_hands_over_and_leaves_no_file(tmp_path: Path) -> None:
    first, second = NodeElection(RUN, 0, tmp_path), NodeElection(RUN, 0, tmp_path)
    assert (first.acquire(), second.acquire()) == (True, False)
    first.release()
    first.release()
    assert second.acquire()
    assert not first.acquire()
    second.release()
    assert list(tmp_path.iterdir()) == []


def test_another_rank_takes_over_when_the_holder_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(RUN), str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        election = NodeElection(RUN, 0, tmp_path)
        assert not election.acquire()
        holder.kill()
        holder.wait()
    assert election.acquire()


def test_a_forked_child_neither_holds_nor_ends_nor_prolongs_the_office(tmp_path: Path) -> None:
    parent, other = NodeElection(RUN, 0, tmp_path), NodeElection(RUN, 0, tmp_path)
    assert parent.acquire()
    told_read, told_write = os.pipe()
    go_read, go_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(told_write, b"y" if parent.acquire() else b"n")
        parent.release()
        os.read(go_read, 1)
        os._exit(0)
    try:
        assert os.read(told_read, 1) == b"n"
        assert not other.acquire()
        parent.release()
        # The child is still alive; had it kept a copy of the lock, this would fail.
        assert other.acquire()
    finally:
        os.write(go_write, b"x")
        os.waitpid(child, 0)
        for descriptor in (told_read, told_write, go_read, go_write):
            os.close(descriptor)


def test_where_no_lock_file_can_be_made_the_node_is_still_sampled(tmp_path: Path) -> None:
    election = NodeElection(RUN, 0, tmp_path / "missing")
    assert election.acquire()
    election.release()


def test_where_files_cannot_be_locked_the_node_is_still_sampled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    election = NodeElection(RUN, 0, tmp_path)
    assert election.acquire()
    election.release()


def test_a_lock_on_a_removed_file_is_no_office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fcntl.flock

    def removed_first(descriptor: int, operation: int) -> None:
        next(tmp_path.iterdir()).unlink()
        real(descriptor, operation)

    election = NodeElection(RUN, 0, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", removed_first)
        assert not election.acquire()
    assert election.acquire()


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    (tmp_path / f"runstream-{os.getuid()}-{RUN}-0.lock").symlink_to(target)
    NodeElection(RUN, 0, tmp_path).acquire()
    assert not target.exists()
