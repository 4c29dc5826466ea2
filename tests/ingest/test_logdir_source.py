"""Log directories: only new bytes are read, and no file stops the others."""

import io
import json
import os
from pathlib import Path

import fastavro
import pytest
from ingest_support import OTHER, RUN, batches, segment, segment_path, write_segment

from runstream_ingest.sources import logdir
from runstream_ingest.sources.logdir import LogDirectories
from runstream_ingest.sources.source import Message, Partition
from runstream_schemas import avro
from runstream_schemas.avro import current

BATCHES = batches(6)


def read(source: LogDirectories) -> list[Message]:
    found: list[Message] = []
    while messages := source.poll(1 << 20):
        found += messages
    return found


def datums(messages: list[Message]) -> list[bytes]:
    return [message.datum for message in messages if not message.defect]


def kinds(source: LogDirectories) -> list[str]:
    return [notice.kind for notice in source.notices()]


def test_every_event_of_every_directory_is_read_once(tmp_path: Path) -> None:
    write_segment(segment_path(tmp_path / "a", "metric"), BATCHES[:3])
    write_segment(segment_path(tmp_path / "b", "metric"), BATCHES[3:])
    source = LogDirectories([tmp_path / "a", tmp_path / "b"])
    messages = read(source)
    assert datums(messages) == BATCHES
    assert all(message.schema is current("metric") for message in messages)
    assert read(source) == []


def test_only_new_bytes_are_read(tmp_path: Path) -> None:
    path = segment_path(tmp_path, "metric")
    whole = segment(BATCHES)
    first = segment(BATCHES[:4], sync=whole[-16:])
    path.write_bytes(first)
    source = LogDirectories([tmp_path])
    assert datums(read(source)) == BATCHES[:4]
    before = source.bytes_read
    with path.open("ab") as file:
        file.write(whole[len(first) :])
    assert datums(read(source)) == BATCHES[4:]
    assert source.bytes_read - before == len(whole) - len(first)


def test_another_process_goes_on_where_the_first_one_committed(tmp_path: Path) -> None:
    write_segment(segment_path(tmp_path, "metric"), BATCHES)
    saved: dict[Partition, int] = {}
    first = LogDirectories([tmp_path], saved.update)
    messages = read(first)
    first.commit({messages[3].partition: messages[3].next})
    second = LogDirectories([tmp_path])
    second.seek(saved)
    assert datums(read(second)) == BATCHES[4:]
    assert second.bytes_read < first.bytes_read


def test_a_torn_tail_is_read_when_it_is_complete(tmp_path: Path) -> None:
    path = segment_path(tmp_path, "metric")
    whole = segment(BATCHES)
    source = LogDirectories([tmp_path])
    found: list[Message] = []
    for cut in (3, 40, len(whole) - 400, len(whole) - 5, len(whole)):
        path.write_bytes(whole[:cut])
        found += read(source)
    assert datums(found) == BATCHES
    assert kinds(source) == []


def test_a_torn_tail_is_not_read_again_while_it_does_not_grow(tmp_path: Path) -> None:
    segment_path(tmp_path, "metric").write_bytes(segment(BATCHES)[:-5])
    source = LogDirectories([tmp_path])
    read(source)
    before = source.bytes_read
    assert source.pending_bytes() == 0
    assert read(source) == []
    assert source.bytes_read == before


def test_a_damaged_segment_costs_only_the_damaged_block(tmp_path: Path) -> None:
    data = bytearray(segment(BATCHES))
    # The count of the third block's bytes: a length that cannot be.
    at = data.index(BATCHES[2]) - 2
    data[at : at + 2] = b"\xff\xff"
    segment_path(tmp_path, "metric").write_bytes(data)
    source = LogDirectories([tmp_path])
    messages = read(source)
    assert datums(messages) == BATCHES[:2] + BATCHES[3:]
    assert [message.defect for message in messages if message.defect] == ["damaged bytes in the segment"]
    assert kinds(source) == ["damaged"]


def test_a_segment_overwritten_after_it_was_read_goes_on_behind_the_damage(tmp_path: Path) -> None:
    path = segment_path(tmp_path, "metric")
    whole = segment(BATCHES)
    cut = whole.index(BATCHES[3]) - 2 - 1
    path.write_bytes(whole[:cut])
    source = LogDirectories([tmp_path])
    assert len(datums(read(source))) == 3
    # From the marker before the last block on: 16 bytes, the block's 3 bytes of count and size, its data, its marker.
    intact = whole[-16 - 3 - len(BATCHES[5]) - 16 :]
    path.write_bytes(bytes(cut) + os.urandom(len(whole) - cut - len(intact)) + intact)
    assert datums(read(source)) == BATCHES[5:]


def other_codec() -> bytes:
    out = io.BytesIO()
    fastavro.writer(out, current("metric").parsed, [current("metric").decode_datum(BATCHES[0])], codec="deflate")
    return out.getvalue()


FUTURE = {"type": "record", "name": "runstream.Metric", "fields": [{"name": "colour", "type": "string"}]}


def from_the_future() -> bytes:
    out = io.BytesIO()
    fastavro.writer(out, FUTURE, [{"colour": "ultraviolet"}])
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PK\x03\x04 a zip file, perhaps", "foreign"),
        (other_codec(), "foreign"),
        (b"Obj\x01\x02\x16avro.schema\x08oops\x00" + bytes(16), "foreign"),
        (from_the_future(), "unknown_schema"),
    ],
)
def test_a_file_that_is_not_ours_is_named_once_and_left(tmp_path: Path, content: bytes, kind: str) -> None:
    segment_path(tmp_path, "metric", OTHER).write_bytes(content)
    write_segment(segment_path(tmp_path, "metric", RUN), BATCHES)
    source = LogDirectories([tmp_path])
    assert datums(read(source)) == BATCHES
    assert kinds(source) == [kind]
    segment_path(tmp_path, "metric", OTHER).write_bytes(content + b"more")
    assert read(source) == []
    assert kinds(source) == []


def test_a_file_from_the_future_is_read_by_a_version_that_knows_its_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment_path(tmp_path, "metric").write_bytes(from_the_future())
    saved: dict[Partition, int] = {}
    today = LogDirectories([tmp_path], saved.update)
    assert read(today) == []
    schema = avro.schema_from_text("metric", json.dumps(FUTURE))
    monkeypatch.setattr(avro, "known", lambda: {schema.fingerprint: schema})
    later = LogDirectories([tmp_path])
    later.seek(saved)
    assert [schema.decode_datum(datum) for datum in datums(read(later))] == [{"colour": "ultraviolet"}]


def test_a_file_that_shrinks_is_read_again_and_named(tmp_path: Path) -> None:
    path = write_segment(segment_path(tmp_path, "metric"), BATCHES)
    source = LogDirectories([tmp_path])
    read(source)
    write_segment(path, BATCHES[:2])
    assert datums(read(source)) == BATCHES[:2]
    assert kinds(source) == ["truncated"]


def test_a_replaced_file_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = write_segment(segment_path(tmp_path, "metric"), BATCHES[:1])
    saved: dict[Partition, int] = {}
    first = LogDirectories([tmp_path], saved.update)
    messages = read(first)
    first.commit({messages[-1].partition: messages[-1].next})
    replacement = batches(3, rows=33)
    write_segment(path, replacement)
    second = LogDirectories([tmp_path])
    second.seek(saved)
    assert datums(read(second)) == replacement
    assert kinds(second) == ["replaced"]


def test_a_file_that_vanishes_between_looking_and_reading_stops_nothing(tmp_path: Path) -> None:
    gone = write_segment(segment_path(tmp_path, "metric", RUN), BATCHES[:2])
    write_segment(segment_path(tmp_path, "metric", OTHER), BATCHES[2:])
    source = LogDirectories([tmp_path])
    assert source.pending_bytes() > 0
    gone.unlink()
    assert datums(read(source)) == BATCHES[2:]


def test_a_directory_in_the_place_of_a_segment_stops_nothing(tmp_path: Path) -> None:
    segment_path(tmp_path, "metric", OTHER).mkdir(parents=True)
    write_segment(segment_path(tmp_path, "metric", RUN), BATCHES)
    source = LogDirectories([tmp_path])
    assert datums(read(source)) == BATCHES
    assert kinds(source) == ["unreadable"]


def test_a_missing_log_directory_is_named_and_used_when_it_appears(tmp_path: Path) -> None:
    source = LogDirectories([tmp_path / "later"])
    assert read(source) == []
    assert kinds(source) == ["vanished"]
    write_segment(segment_path(tmp_path / "later", "metric"), BATCHES)
    assert datums(read(source)) == BATCHES


def test_blocks_of_several_events_are_taken_apart(tmp_path: Path) -> None:
    out = io.BytesIO()
    fastavro.writer(out, current("metric").parsed, [current("metric").decode_datum(datum) for datum in BATCHES])
    segment_path(tmp_path, "metric").write_bytes(out.getvalue())
    assert datums(read(LogDirectories([tmp_path]))) == BATCHES


def test_a_block_larger_than_the_window_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logdir, "WINDOW_BYTES", 64)
    write_segment(segment_path(tmp_path, "metric"), BATCHES)
    assert datums(read(LogDirectories([tmp_path]))) == BATCHES


def test_damage_without_an_end_is_skipped_in_bounded_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logdir, "WINDOW_BYTES", 64)
    monkeypatch.setattr(logdir, "MAX_WINDOW_BYTES", 256)
    path = write_segment(segment_path(tmp_path, "tag"), [b"small"], "tag")
    with path.open("ab") as file:
        file.write(b"\x02\xff\xff\xff\x7f" * 100)
    messages = read(LogDirectories([tmp_path]))
    assert datums(messages) == [b"small"]
    assert any(message.defect for message in messages)


def test_one_poll_is_bounded(tmp_path: Path) -> None:
    for number in range(4):
        write_segment(segment_path(tmp_path, "metric", number=number), BATCHES)
    source = LogDirectories([tmp_path])
    assert len(source.poll(1)) == len(BATCHES)


def test_a_run_is_known_before_its_points(tmp_path: Path) -> None:
    write_segment(segment_path(tmp_path, "metric"), BATCHES)
    write_segment(segment_path(tmp_path, "run"), [b"datum"], "run")
    assert read(LogDirectories([tmp_path]))[0].schema.event == "run"


def test_bytes_that_appear_after_the_size_are_read(tmp_path: Path) -> None:
    """A network file system may show a file's new size before its new bytes."""
    path = segment_path(tmp_path, "metric")
    whole = segment(BATCHES)
    cut = whole.index(BATCHES[4])
    path.write_bytes(whole[:cut] + bytes(len(whole) - cut))
    source = LogDirectories([tmp_path])
    first = datums(read(source))
    path.write_bytes(whole)
    os.utime(path, ns=(1, 1))
    assert first + datums(read(source)) == BATCHES
