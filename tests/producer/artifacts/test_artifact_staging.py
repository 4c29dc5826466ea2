import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runstream.artifacts import Identity, complete_pending
from runstream.artifacts.description import describe
from runstream.artifacts.lock import locked
from runstream.artifacts.staging import load, pending, remove_abandoned, stage_snapshot

RUN = "01890a5d-ac96-774b-bcce-b302099a8057"
TIME = 1_760_000_000_000_001


def description(name="file", time=TIME):
    return describe(Identity(RUN, 2, TIME - 1), time=time, name=name, type="file", step=None, metadata=None, aliases=())


def stage(staging, root, source, **more):
    return stage_snapshot(staging, description(**more), str(root), source)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_text("content")
    return path


def test_a_staged_item_reads_back_as_it_was(staging, root, source):
    item = stage(staging, root, source)
    assert load(pending(staging)[0]) == item


def test_two_workers_at_once_complete_everything_and_agree(staging, root, source):
    for number in range(20):
        stage(staging, root, source, name=str(number), time=TIME + number)
    records = []

    def emit(record):
        records.append(record)
        return True

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: complete_pending(staging, None, emit), range(2)))
    assert {record["name"] for record in records} == {str(number) for number in range(20)}
    assert {one.outcome for result in results for one in result} <= {"stored", "in use"}
    by_name = {}
    for record in records:
        assert by_name.setdefault(record["name"], record) == record
    assert pending(staging) == []


def test_an_item_in_use_is_left_to_its_worker(staging, root, source):
    item = stage(staging, root, source)
    with locked(item.directory) as mine:
        assert mine
        (result,) = complete_pending(staging, None, lambda record: pytest.fail("recorded"))
    assert result.outcome == "in use"
    assert complete_pending(staging, None, lambda record: True)[0].outcome == "stored"


def test_a_killed_process_leaves_artifacts_that_sync_completes(tmp_path, staging, root, source):
    program = f"""
import os, signal
from runstream.artifacts import Artifacts, Identity
front = Artifacts(__import__("pathlib").Path({str(staging)!r}), {str(root)!r}, lambda record: False, print,
                  identity=lambda: Identity({RUN!r}, 2, {TIME - 1}))
front.log({str(source)!r}, time={TIME})
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    source.write_text("other")
    records = []
    (result,) = complete_pending(staging, None, lambda record: records.append(record) or True)
    assert (result.outcome, result.run_id) == ("stored", RUN)
    assert (records[0]["rank"], records[0]["attempt"], records[0]["size"]) == (2, TIME - 1, 7)


def test_an_item_recorded_but_not_removed_is_recorded_again_the_same(staging, root, source):
    stage(staging, root, source)
    records = []

    def record_and_die(record):
        records.append(record)
        raise SystemExit

    with pytest.raises(SystemExit):
        complete_pending(staging, None, record_and_die)
    complete_pending(staging, None, lambda record: records.append(record) or True)
    assert len(records) == 2
    assert records[0] == records[1]


def test_a_damaged_item_is_named_and_does_not_stop_the_others(staging, root, source):
    (staging / "0-damaged").mkdir(parents=True)
    (staging / "0-damaged" / "item.json").write_text('{"format": "something else"}')
    stage(staging, root, source)
    results = complete_pending(staging, None, lambda record: True)
    assert [result.outcome for result in results] == ["left", "stored"]
    assert "0-damaged" in results[0].error


def test_a_snapshot_cut_short_is_no_item_and_is_removed_when_old(staging):
    (staging / ".0-half").mkdir(parents=True)
    moment = (staging / ".0-half").stat().st_mtime
    assert pending(staging) == []
    remove_abandoned(staging, now=lambda: moment + 60)
    assert (staging / ".0-half").exists()
    with locked(staging / ".0-half"):
        remove_abandoned(staging, now=lambda: moment + 1e6)
    assert (staging / ".0-half").exists()
    remove_abandoned(staging, now=lambda: moment + 1e6)
    assert not (staging / ".0-half").exists()


def test_no_staging_means_nothing_to_do(tmp_path):
    assert complete_pending(tmp_path / "missing", None, lambda record: True) == []


def test_another_root_can_be_given(tmp_path, staging, root, source):
    stage(staging, root, source)
    records = []
    complete_pending(staging, str(tmp_path / "elsewhere"), lambda record: records.append(record) or True)
    assert str(tmp_path / "elsewhere") in records[0]["uri"]


def test_names_that_are_not_utf8_survive_staging(tmp_path, staging, root):
    folder = tmp_path / os.fsdecode(b"odd\xff")
    folder.mkdir()
    (folder / os.fsdecode(b"\xfe.bin")).write_text("x")
    stage(staging, root, folder)
    records = []
    assert complete_pending(staging, None, lambda record: records.append(record) or True)[0].outcome == "stored"
    assert rb"\xfe.bin" in Path(records[0]["uri"].removeprefix("file://")).read_bytes().replace(rb"\\", b"\\")
