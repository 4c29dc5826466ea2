"""Directories with all that is found in directories: what can be kept is kept, what cannot is said."""

import os
import socket
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from runstream.artifacts import snapshot
from runstream.artifacts.manifest import read_manifest

TIME = 1_760_000_000_000_001
SOON = 10.0


@pytest.fixture
def directory(tmp_path):
    made = tmp_path / "model"
    (made / "sub").mkdir(parents=True)
    (made / "weights").write_bytes(b"weights")
    (made / "sub" / "config").write_bytes(b"config")
    return made


@pytest.fixture
def logged(root, front, recorder):
    """Log a path; its record, and of a directory that was stored the paths of its files."""

    def log(path):
        artifacts = front(root)
        artifacts.log(path, time=TIME)
        assert artifacts.drain(SOON) == 0
        record = recorder.records[-1]
        if record["state"] != "stored":
            return record, []
        return record, [entry.path for entry in read_manifest(Path(unquote(urlsplit(record["uri"]).path)).read_bytes())]

    return log


def test_links_count_as_what_they_point_to_and_circles_end(directory, logged):
    (directory / "link").symlink_to("weights")
    (directory / "sub" / "up").symlink_to("..")
    (directory / "itself").symlink_to("itself")
    (directory / "nowhere").symlink_to("nothing")
    record, files = logged(directory)
    assert (record["state"], files) == ("stored", ["link", "sub/config", "weights"])


def test_pipes_and_sockets_in_a_directory_neither_block_nor_cost_its_files(directory, logged, monkeypatch):
    os.mkfifo(directory / "pipe")
    monkeypatch.chdir(directory)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        record, files = logged(directory)
    assert (record["state"], files) == ("stored", ["sub/config", "weights"])


def test_an_empty_directory_is_an_artifact_without_files(tmp_path, logged):
    (tmp_path / "empty").mkdir()
    record, files = logged(tmp_path / "empty")
    assert (record["state"], record["size"], files) == ("stored", 0, [])


def test_a_file_that_vanishes_while_the_snapshot_is_taken_is_left_out(directory, logged, monkeypatch):
    clone = snapshot.clone_file

    def vanish_first(source, destination):
        if source.name == "weights":
            source.unlink()
        clone(source, destination)

    monkeypatch.setattr(snapshot, "clone_file", vanish_first)
    record, files = logged(directory)
    assert (record["state"], files) == ("stored", ["sub/config"])


def test_a_directory_that_vanishes_while_the_snapshot_is_taken_is_left_out(directory, logged, monkeypatch):
    scan = os.scandir

    def vanish_first(path):
        if Path(path).name == "sub":
            (Path(path) / "config").unlink()
            Path(path).rmdir()
        return scan(path)

    monkeypatch.setattr(snapshot.os, "scandir", vanish_first)
    record, files = logged(directory)
    assert (record["state"], files) == ("stored", ["weights"])


def test_a_file_that_cannot_be_read_is_named_and_nothing_half_is_stored(directory, logged, staging, recorder):
    (directory / "memory").symlink_to("/proc/self/mem")
    record, _ = logged(directory)
    assert record["state"] == "failed"
    assert record["error"] == f"cannot read {directory}/memory: Input/output error"
    assert record["error"] in recorder.warnings[0]
    assert list(staging.iterdir()) == []


def test_a_file_without_permission_is_named(directory, logged):
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    (directory / "weights").chmod(0)
    record, _ = logged(directory)
    assert record["error"] == f"cannot read {directory}/weights: Permission denied"


def test_a_link_to_itself_is_no_artifact(tmp_path, logged):
    (tmp_path / "itself").symlink_to("itself")
    record, _ = logged(tmp_path / "itself")
    assert record["state"] == "failed" and "symbolic links" in record["error"]
