"""Cutting and encoding: every point once, in messages of bounded size, the same bytes whoever ships."""

import random
from itertools import accumulate
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runstream.batches import MAX_BATCH_POINTS, Cutter, Message
from runstream.frames import encode_batch
from runstream.journal import layout
from runstream.journal.ring import Ring, Shipment
from runstream.journal.writer import JournalWriter
from runstream_schemas.avro import current
from runstream_schemas.limits import MAX_EVENT_BYTES

RUN = UUID("01935000-0000-7000-8000-000000000001")
ATTEMPT = 1_795_000_000_000_000
METRIC = current("metric")


def new_journal(size: int = 16 * 1024 * 1024) -> tuple[Ring, JournalWriter]:
    ring = Ring.create(None, size=size, run_id=RUN, rank=2, attempt=ATTEMPT, info={})
    writer = JournalWriter(ring, start_step=None, warn=lambda *_: None, on_chunk=lambda: None)
    return ring, writer


def cut_all(cutter: Cutter, limit: int | None = None) -> list[tuple[Shipment, list[Message]]]:
    found = []
    while (cut := cutter.cut(limit)) is not None:
        found.append(cut)
    return found


def points(messages: list[Message]) -> list[tuple[str, int, float, int]]:
    found = []
    for message in messages:
        if message.event == "metric":
            for frame in METRIC.decode_datum(message.datum)["frames"]:
                for column in frame["columns"]:
                    for step, time, value in zip(frame["steps"], frame["times"], column["values"], strict=True):
                        found.append((column["metric"], step, value, time))
    return found


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6), min_size=1, max_size=4, unique=True
    ),
    st.lists(st.tuples(st.integers(-5, 5), st.floats(), st.integers(1000, 5000)), min_size=1, max_size=30),
    st.booleans(),
)
def test_a_batch_is_the_bytes_that_avro_writes_for_its_frame_sorted_by_step_then_time(
    names: list[str], logged: list[tuple[int, float, int]], automatic: bool
) -> None:
    clock_zero_ns = 1000 * ATTEMPT + 77
    clock_ns = list(accumulate(pause for _, _, pause in logged))
    row = layout.row_struct(len(names))
    rows = [
        (step, (clock_zero_ns + ns) // 1000, [value + i for i in range(len(names))], ns)
        for ns, (step, value, _) in zip(clock_ns, logged, strict=True)
    ]
    packed = b"".join(row.pack(1, step, *values, ns) for step, _, values, ns in rows)
    rows.sort(key=lambda fields: fields[:2])
    frame = {
        "auto_steps": automatic,
        "steps": [step for step, *_ in rows],
        "times": [time for _, time, *_ in rows],
        "columns": [
            {"metric": name, "values": [values[i] for _, _, values, _ in rows]} for i, name in enumerate(names)
        ],
    }
    record = {"run_id": str(RUN), "rank": 1, "attempt": ATTEMPT, "seq": 7, "frames": [frame]}
    assert encode_batch(RUN, 1, ATTEMPT, 7, [(names, automatic, packed)], clock_zero_ns) == METRIC.encode_datum(record)


KEY_SETS = [["a"], ["a", "b"], ["lr"], [f"m{i}" for i in range(50)], ["b", "a"]]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 400)), max_size=20), st.randoms())
def test_every_point_is_shipped_once_and_a_second_shipper_cuts_the_same_bytes(
    runs: list[tuple[int, int]], rng: random.Random
) -> None:
    ring, writer = new_journal()
    expected = []
    cutter = Cutter(ring)
    shipped: list[tuple[Shipment, list[Message]]] = []
    step = 0
    for which, count in runs:
        for _ in range(count):
            step += 1
            values = dict.fromkeys(KEY_SETS[which], step + 0.5)
            writer.append(values, step)
            expected += [(name, step, value) for name, value in values.items()]
        if rng.random() < 0.5:
            shipped += cut_all(cutter, writer.position)
    shipped += cut_all(cutter)
    assert sorted(p[:3] for _, messages in shipped for p in points(messages)) == sorted(expected)
    assert [s.seq for s, _ in shipped] == list(range(len(shipped)))
    assert cutter.last.queued == len(expected)
    again = cut_all(Cutter(ring))
    assert [(s, [m.datum for m in ms]) for s, ms in again] == [(s, [m.datum for m in ms]) for s, ms in shipped]


def test_a_shipper_that_takes_over_continues_after_what_was_delivered() -> None:
    ring, writer = new_journal()
    first = Cutter(ring)
    for step in range(10):
        writer.append({"a": step}, step)
    assert len(cut_all(first)) == 1
    ring.delivered = 1
    for step in range(10, 15):
        writer.append({"a": step}, step)
    later = cut_all(Cutter(ring))
    assert [s.seq for s, _ in later] == [1]
    assert [p[1] for _, ms in later for p in points(ms)] == list(range(10, 15))
    assert later[-1][0].queued == 15


def test_batches_stay_under_their_bounds() -> None:
    ring, writer = new_journal(64 * 1024 * 1024)
    for step in range(30_000):
        writer.append({f"m{i}": 1.0 for i in range(10)}, 2**62 + step)
    for _, messages in cut_all(Cutter(ring)):
        (message,) = messages
        assert len(message.datum) <= MAX_EVENT_BYTES
        assert len(points(messages)) <= MAX_BATCH_POINTS


@pytest.mark.parametrize("name_bytes", [3, 200, 1000])
def test_no_message_exceeds_the_limit_when_the_key_set_changes_at_every_call(name_bytes: int) -> None:
    ring, writer = new_journal(64 * 1024 * 1024)
    total = 0
    for call in range(60):
        metrics = {f"{'x' * name_bytes}/{call}.{i}": 1.0 for i in range(300)}
        writer.append(metrics, call)
        total += len(metrics)
    assert ring.dropped == {}
    seen = 0
    for _, messages in cut_all(Cutter(ring)):
        for message in messages:
            assert len(message.datum) + 10 <= MAX_EVENT_BYTES
        seen += len(points(messages))
    assert seen == total


def test_five_thousand_metrics_in_one_call_are_one_row_in_one_message() -> None:
    ring, writer = new_journal()
    writer.append({f"layer.{i}/grad_norm": float(i) for i in range(5_000)}, 1)
    ((_, messages),) = cut_all(Cutter(ring))
    assert len(points(messages)) == 5_000


def test_events_travel_in_order_with_the_rows_around_them_and_take_no_seq() -> None:
    ring, writer = new_journal()
    record: dict[str, Any] = {"run_id": str(RUN), "rank": 0, "attempt": ATTEMPT, "time": 1, "key": "k", "value": "v"}
    tag = current("tag").encode(record)
    cutter = Cutter(ring)
    assert writer.append_event(tag)
    ((only_event, messages),) = cut_all(cutter)
    assert only_event.seq == -1 and [m.event for m in messages] == ["tag"]
    assert current("tag").decode_datum(messages[0].datum) | {"run_id": str(RUN)} == record
    writer.append({"a": 1.0}, 1)
    writer.append_event(tag)
    ((both, messages),) = cut_all(cutter)
    assert both.seq == 0 and [m.event for m in messages] == ["tag", "metric"]


def test_an_event_too_large_for_a_chunk_is_refused() -> None:
    _, writer = new_journal()
    assert not writer.append_event(bytes(layout.CHUNK_BYTES))
