"""The log directory: container files that any Avro library reads, whatever the disk does."""

import errno
import os
import shutil
from pathlib import Path
from uuid import UUID

import fastavro
import pytest

from runstream.batches import Message
from runstream.transport.base import TransportDown
from runstream.transport.log_directory import LogDirectory
from runstream_schemas.avro import current

RUN = UUID("01935000-0000-7000-8000-000000000001")


def tag(value: str) -> Message:
    record = {"run_id": str(RUN), "rank": 0, "attempt": 1, "time": 1, "key": "k", "value": value}
    return Message("tag", current("tag").encode_datum(record))


def values(root: Path) -> list[str]:
    """The values of all tags, by a plain Avro reader that stops at a torn tail."""
    found = []
    for path in sorted((root / "tag").glob("*.avro")):
        with path.open("rb") as file:
            try:
                found += [record["value"] for record in fastavro.reader(file)]
            except (EOFError, ValueError):
                pass
    return found


def open_log(root: Path, **more: object) -> LogDirectory:
    return LogDirectory(root, run_id=RUN, rank=0, attempt=1, **more)  # type: ignore[arg-type]


def test_a_plain_avro_reader_reads_what_was_sent(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.send(0, [tag("a"), tag("b")])
    log.send(1, [tag("c")])
    assert log.acknowledged(0) == 2
    assert values(tmp_path) == ["a", "b", "c"]


def test_segments_rotate(tmp_path: Path) -> None:
    log = open_log(tmp_path, segment_bytes=1)
    for number, value in enumerate("abc"):
        log.send(number, [tag(value)])
    assert len(list((tmp_path / "tag").iterdir())) == 3
    assert values(tmp_path) == ["a", "b", "c"]


def test_two_writers_of_one_attempt_never_share_a_file(tmp_path: Path) -> None:
    one, two = open_log(tmp_path), open_log(tmp_path)
    one.send(0, [tag("a")])
    two.send(0, [tag("b")])
    one.send(1, [tag("c")])
    assert sorted(values(tmp_path)) == ["a", "b", "c"]


@pytest.mark.parametrize("written", [0, 5, 700])
def test_a_full_disk_refuses_the_shipment_leaves_no_torn_block_and_takes_it_later(tmp_path: Path, written: int) -> None:
    full = False

    def write(fd: int, data: memoryview) -> int:
        if full and len(data) > written:
            os.write(fd, data[:written])
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(fd, data)

    log = open_log(tmp_path, write=write)
    log.send(0, [tag("a")])
    full = True
    with pytest.raises(TransportDown, match="No space left"):
        log.send(1, [tag("b" * 1000)])
    assert log.acknowledged(0) == 1
    full = False
    log.send(1, [tag("b")])
    assert values(tmp_path) == ["a", "b"]


def test_a_directory_that_vanished_is_made_again(tmp_path: Path) -> None:
    root = tmp_path / "log"
    log = open_log(root)
    log.send(0, [tag("a")])
    shutil.rmtree(root)
    log.send(1, [tag("b")])
    assert values(root) == ["b"]


def test_an_unwritable_place_is_reported_as_down(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    log = open_log(tmp_path / "file")
    with pytest.raises(TransportDown, match="cannot write to log directory"):
        log.send(0, [tag("a")])


def test_with_fsync_bytes_and_names_are_forced_to_the_disk_before_a_shipment_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[Path] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        forced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    log = open_log(tmp_path / "log", fsync=True)
    log.send(0, [tag("a")])
    (segment,) = (tmp_path / "log").rglob("*.avro")
    assert forced == [segment, segment.parent, tmp_path / "log"]
    log.send(1, [tag("b")])
    assert forced[3:] == [segment]
