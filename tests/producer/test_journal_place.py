"""Where a journal may lie, and how it is found there."""

import os
import tempfile
from pathlib import Path

import pytest
from journals import ATTEMPT, RUN, SMALL

from runstream.journal.place import candidates, file_system, find_elsewhere, find_journals, is_network, open_ring

MOUNTS = """\
22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 0:40 / /home rw shared:1 - nfs4 server:/home rw
31 30 0:41 / /home/with\\040blank rw - tmpfs tmpfs rw
32 22 0:42 / /mnt/cloud rw - fuse.s3fs s3fs rw
"""


@pytest.mark.parametrize(
    ("path", "kind", "network"),
    [
        ("/var/x", "ext4", False),
        ("/home/me", "nfs4", True),
        ("/home/with blank/y", "tmpfs", False),
        ("/mnt/cloud/z", "fuse.s3fs", True),
        ("/homes", "ext4", False),
    ],
)
def test_network_file_systems_are_recognised(path: str, kind: str, network: bool) -> None:
    assert file_system(Path(path), MOUNTS) == kind
    assert is_network(Path(path), lambda: MOUNTS) is network


def test_the_journal_avoids_network_file_systems_and_leaves_a_pointer(tmp_path: Path) -> None:
    shared, local = tmp_path / "shared", tmp_path / "local"
    ring, reason = open_ring(
        shared,
        size=SMALL,
        run_id=RUN,
        rank=0,
        attempt=ATTEMPT,
        info={},
        environ={"SLURM_TMPDIR": str(local)},
        network=lambda path: path == shared,
    )
    assert ring.path is not None and local in ring.path.parents
    assert "network" in reason
    assert find_journals(shared) == [ring.path]
    ring.close(remove=True)
    assert find_journals(shared) == [] and not list(shared.glob("*.pointer"))


def test_without_any_place_the_journal_is_in_memory(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.touch()
    ring, reason = open_ring(
        blocker / "journal",
        size=SMALL,
        run_id=RUN,
        rank=0,
        attempt=ATTEMPT,
        info={},
        environ={},
        network=lambda path: True,
    )
    assert ring.path is None and str(blocker) in reason
    assert len(list(candidates(blocker, {}))) == 2


def test_a_directory_that_another_user_made_in_place_of_ours_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"TMPDIR": str(tmp_path)}
    somebody = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: somebody)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    planted = tmp_path / f"runstream-{somebody}" / "journal" / "planted.journal"
    planted.parent.mkdir(parents=True)
    planted.touch()
    (tmp_path / "file").touch()
    unusable = tmp_path / "file" / "journal"
    ring, reason = open_ring(
        unusable, size=SMALL, run_id=RUN, rank=0, attempt=ATTEMPT, info={}, environ=environ, network=lambda path: False
    )
    assert ring.path is None
    assert f"{planted.parent} is in a directory of another user" in reason
    assert find_elsewhere(environ) == []
