import hashlib
import os
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from runstream.artifacts import Artifacts, Identity, complete_pending
from runstream.artifacts.manifest import read_manifest
from runstream.artifacts.staging import pending
from runstream_schemas.avro import current

TIME = 1_760_000_000_000_001
RUN = "01890a5d-ac96-774b-bcce-b302099a8057"
SOON = 10.0


def local(uri):
    return Path(unquote(urlsplit(uri).path))


def stored_files(root):
    return [path for path in (root / "sha256").rglob("*") if path.is_file()] if root.exists() else []


def test_a_checkpoint_overwritten_right_after_keeps_its_old_bytes(tmp_path, root, front, recorder):
    checkpoint = tmp_path / "ckpt.pt"
    checkpoint.write_bytes(b"old" * 100_000)
    artifacts = front(root)
    artifacts.log(checkpoint, time=TIME, type="model", step=7, metadata={"lr": 0.1}, aliases=["best"])
    with checkpoint.open("r+b") as file:
        file.write(b"new" * 100_000)
    assert artifacts.drain(SOON) == 0
    (record,) = recorder.records
    assert local(record["uri"]).read_bytes() == b"old" * 100_000
    assert record["sha256"] == hashlib.sha256(b"old" * 100_000).hexdigest()
    assert (record["state"], record["size"], record["name"], record["step"]) == ("stored", 300_000, "ckpt.pt", 7)
    assert (record["metadata"], record["aliases"]) == ('{"lr":0.1}', ["best"])


def test_records_fit_the_contract_and_staging_is_empty_afterwards(tmp_path, staging, root, front, recorder):
    (tmp_path / "file").write_text("x")
    artifacts = front(root)
    artifacts.log(tmp_path / "file", time=TIME)
    artifacts.log("s3://bucket/model", time=TIME + 1)
    artifacts.log(tmp_path / "missing", time=TIME + 2)
    assert artifacts.drain(SOON) == 0
    assert [record["state"] for record in recorder.records] == ["stored", "referenced", "failed"]
    assert artifacts.outcomes == {"stored": 1, "referenced": 1, "failed": 1}
    for record in recorder.records:
        current("artifact").encode(record)
    assert list(staging.iterdir()) == []


def test_the_same_bytes_are_stored_once(tmp_path, root, front, recorder):
    artifacts = front(root)
    for number in range(3):
        (tmp_path / f"{number}.bin").write_bytes(b"same")
        artifacts.log(tmp_path / f"{number}.bin", time=TIME + number)
    assert artifacts.drain(SOON) == 0
    assert len({record["uri"] for record in recorder.records}) == 1
    assert len(stored_files(root)) == 1


def test_a_directory_is_one_artifact_with_a_manifest(tmp_path, root, front, recorder):
    folder = tmp_path / "model"
    (folder / "shards").mkdir(parents=True)
    (folder / "shards" / "1.bin").write_bytes(b"one")
    (folder / "a.json").write_bytes(b"{}")
    (folder / "link.json").symlink_to("a.json")
    (folder / "circle").symlink_to(folder)
    (folder / "nowhere").symlink_to("missing")
    os.mkfifo(folder / "pipe")
    artifacts = front(root)
    artifacts.log(folder, time=TIME)
    (folder / "a.json").write_bytes(b"changed")
    assert artifacts.drain(SOON) == 0
    (record,) = recorder.records
    content = local(record["uri"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == record["sha256"]
    entries = read_manifest(content)
    assert [entry.path for entry in entries] == ["a.json", "link.json", "shards/1.bin"]
    assert record["size"] == sum(entry.size for entry in entries) == 7
    for entry, expected in zip(entries, [b"{}", b"{}", b"one"], strict=True):
        assert (root / "sha256" / entry.sha256[:2] / entry.sha256).read_bytes() == expected


@pytest.mark.parametrize("uri", ["s3://bucket/key", "https://example.org/a/key?x=1", "file:///data/key"])
def test_an_existing_uri_is_recorded_and_not_read(uri, root, front, recorder):
    artifacts = front(root)
    artifacts.log(uri, time=TIME)
    assert artifacts.drain(SOON) == 0
    (record,) = recorder.records
    assert (record["uri"], record["name"], record["size"], record["sha256"]) == (uri, "key", None, "")
    assert not root.exists()


def test_a_uri_with_a_password_is_recorded_without_it(root, front, recorder):
    artifacts = front(root)
    artifacts.log("https://ada:hunter2secret@example.org/key", time=TIME)
    assert artifacts.drain(SOON) == 0
    assert "hunter2secret" not in recorder.records[0]["uri"]


def test_an_immutable_file_is_not_copied_into_staging_and_is_stored(tmp_path, staging, root, front, recorder):
    big = tmp_path / "data.bin"
    big.write_bytes(b"data")
    root.write_text("no directory: uploads fail")
    artifacts = front(root)
    artifacts.log(big, time=TIME, immutable=True)
    assert artifacts.drain(0.2) == 1
    assert not list(staging.glob("*/content"))
    root.unlink()
    assert artifacts.drain(SOON) == 0
    assert recorder.records[0]["state"] == "stored"


def test_an_immutable_file_that_changed_is_reported_failed_and_nothing_is_stored(tmp_path, root, front, recorder):
    source = tmp_path / "data.bin"
    source.write_bytes(b"data")
    root.write_text("no directory: uploads fail")
    artifacts = front(root)
    artifacts.log(source, time=TIME, immutable=True)
    assert artifacts.drain(0.2) == 1
    source.write_bytes(b"DATA!")
    root.unlink()
    assert artifacts.drain(SOON) == 0
    assert recorder.records[0]["state"] == "failed"
    assert "immutable" in recorder.records[0]["error"]
    assert stored_files(root) == []
    assert recorder.warnings


@pytest.mark.parametrize("path", ["", "zero\0byte", 17, None, b"bytes", "/dev/null", "/proc/self/mem"])
def test_what_cannot_be_kept_is_recorded_as_failed_and_said(path, root, front, recorder):
    artifacts = front(root)
    artifacts.log(path, time=TIME)
    assert artifacts.drain(SOON) == 0
    assert [record["state"] for record in recorder.records] == ["failed"]
    assert recorder.records[0]["error"]
    assert recorder.warnings


def test_a_pipe_does_not_block_the_caller(tmp_path, root, front, recorder):
    os.mkfifo(tmp_path / "pipe")
    artifacts = front(root)
    artifacts.log(tmp_path / "pipe", time=TIME)
    assert artifacts.drain(SOON) == 0
    assert recorder.records[0]["state"] == "failed"


def test_a_staging_directory_that_cannot_be_written_is_told_and_training_goes_on(
    tmp_path, staging, root, front, recorder
):
    (tmp_path / "file").write_text("x")
    staging.write_text("in the way")
    artifacts = front(root)
    artifacts.log(tmp_path / "file", time=TIME)
    artifacts.log("s3://bucket/key", time=TIME + 1)
    assert artifacts.drain(SOON) == 0
    assert [record["state"] for record in recorder.records] == ["failed", "referenced"]
    assert str(staging) in recorder.warnings[0]


def test_a_full_disk_under_staging_leaves_nothing_half_done(tmp_path, staging, root, front, recorder, monkeypatch):
    (tmp_path / "file").write_text("x")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("runstream.artifacts.snapshot.clone_file", full)
    artifacts = front(root)
    artifacts.log(tmp_path / "file", time=TIME)
    assert artifacts.drain(SOON) == 0
    assert "No space left" in recorder.records[0]["error"]
    assert list(staging.iterdir()) == []


def test_odd_descriptions_become_text(tmp_path, root, front, recorder):
    (tmp_path / "f").write_text("x")
    cycle = {}
    cycle["me"] = cycle
    artifacts = front(root)
    artifacts.log(tmp_path / "f", time=TIME, name="n" * 9999, type=None, step="x", metadata=cycle, aliases=5)
    artifacts.log(tmp_path / "f", time=TIME + 1, metadata={"x": "y" * 200_000, "n": 2**70, "api_key": "abc"}, step=3.0)
    assert artifacts.drain(SOON) == 0
    for record in recorder.records:
        assert len(current("artifact").encode(record)) < 100_000
    assert recorder.records[0]["aliases"] == ["5"]
    assert recorder.records[0]["type"] == "file"
    assert recorder.records[0]["step"] is None
    assert recorder.records[1]["step"] == 3
    assert '"abc"' not in recorder.records[1]["metadata"]


class Unreadable:
    def __iter__(self):
        raise OSError("not today")

    def __repr__(self):
        raise RuntimeError("not today")


@pytest.mark.parametrize(
    ("aliases", "recorded"),
    [
        ("best", ["best"]),
        (None, []),
        (5, ["5"]),
        ({"best": 1}, ["best"]),
        ((a for a in ["a", "b", "a"]), ["a", "b"]),
        ([None, ["x"]], ["None", "['x']"]),
        (Unreadable(), []),
        ([Unreadable()], ["<unreadable Unreadable: RuntimeError>"]),
    ],
)
def test_aliases_of_any_type_never_cost_the_artifact(aliases, recorded, tmp_path, root, front, recorder):
    (tmp_path / "f").write_text("x")
    artifacts = front(root)
    artifacts.log(tmp_path / "f", time=TIME, aliases=aliases)
    assert artifacts.drain(SOON) == 0
    assert [(record["state"], record["aliases"]) for record in recorder.records] == [("stored", recorded)]


@pytest.mark.parametrize("name", ["", "weights\nof the\tmodel", "🔥", "../../etc/passwd", "'; DROP TABLE artifact"])
def test_a_name_of_any_text_is_kept_and_an_empty_one_is_replaced(name, tmp_path, root, front, recorder):
    (tmp_path / "f").write_text("x")
    artifacts = front(root)
    artifacts.log(tmp_path / "f", time=TIME, name=name)
    assert artifacts.drain(SOON) == 0
    assert [(record["state"], record["name"]) for record in recorder.records] == [("stored", name or "artifact")]


def test_two_artifacts_of_one_name_are_both_recorded_with_their_own_bytes(tmp_path, root, front, recorder):
    artifacts = front(root)
    for number in range(2):
        (tmp_path / "model").write_bytes(b"%d" % number)
        artifacts.log(tmp_path / "model", time=TIME + number)
    assert artifacts.drain(SOON) == 0
    assert [local(record["uri"]).read_bytes() for record in recorder.records] == [b"0", b"1"]


def test_a_uri_that_became_a_path_is_told_what_happened(root, front, recorder):
    artifacts = front(root)
    artifacts.log(Path("s3://bucket/model"), time=TIME)
    assert artifacts.drain(SOON) == 0
    assert "give a URI as text" in recorder.records[0]["error"]


def test_a_lost_artifact_is_said_although_another_only_waits(tmp_path, root, staging, recorder):
    said = {}
    root.write_text("in the way")
    artifacts = Artifacts(staging, str(root), recorder.emit, said.setdefault, lambda: Identity(RUN, 0, TIME))
    (tmp_path / "f").write_text("x")
    artifacts.log(tmp_path / "f", time=TIME)
    assert artifacts.drain(0.1) == 1
    root.unlink()
    artifacts.log(tmp_path / "missing", time=TIME)
    assert artifacts.drain(SOON) == 0
    assert "waits in staging" in said["artifact"] and "missing" in said["artifact lost"]


def test_staging_is_for_the_eyes_of_its_user(tmp_path, root, staging, front):
    (tmp_path / "f").write_text("x")
    root.write_text("in the way")
    artifacts = front(root)
    artifacts.log(tmp_path / "f", time=TIME)
    (folder,) = pending(staging)
    assert folder.stat().st_mode & 0o077 == 0
    artifacts.close()


def test_drain_is_bounded_while_the_root_is_away_and_a_later_process_completes(
    tmp_path, staging, root, front, recorder
):
    (tmp_path / "file").write_text("x")
    root.write_text("in the way")
    artifacts = front(root)
    artifacts.log(tmp_path / "file", time=TIME)
    began = time.monotonic()
    assert artifacts.drain(0.2) == 1
    assert time.monotonic() - began < 5
    artifacts.close()
    assert len(pending(staging)) == 1
    root.unlink()
    (done,) = complete_pending(staging, None, recorder.emit)
    assert (done.outcome, done.name) == ("stored", "file")
    assert recorder.records[0]["time"] == TIME
    assert pending(staging) == []


def test_a_record_that_is_refused_stays_in_staging(tmp_path, staging, root, front, recorder):
    (tmp_path / "file").write_text("x")
    recorder.accepting = False
    artifacts = front(root)
    artifacts.log(tmp_path / "file", time=TIME)
    assert artifacts.drain(0.2) == 1
    artifacts.close()
    assert len(pending(staging)) == 1


def test_a_forked_child_leaves_the_artifacts_of_its_parent_alone_and_logs_its_own(tmp_path, root, front, recorder):
    (tmp_path / "file").write_text("x")
    root.write_text("in the way")
    artifacts = front(root)
    artifacts.log(tmp_path / "file", time=TIME)
    assert artifacts.drain(0.2) == 1
    child = os.fork()
    if child == 0:
        try:
            nothing_inherited = artifacts.drain(0) == 0
            root.unlink()
            artifacts.log(tmp_path / "file", time=TIME + 1)
            artifacts.drain(SOON)
            os._exit(0 if nothing_inherited and artifacts.outcomes == {"stored": 1} else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert artifacts.drain(SOON) == 0
    assert artifacts.outcomes == {"stored": 1}
