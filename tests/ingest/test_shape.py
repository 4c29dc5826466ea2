"""Whole datums are recognised without decoding them."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest_support import RUN, batch_record, datum

import support_events as events
from runstream_ingest import shape
from runstream_schemas.avro import EVENT_NAMES, current

METRIC = current("metric")
names = st.text(max_size=80)
longs = st.integers(-(2**63), 2**63 - 1)


@st.composite
def frames(draw: st.DrawFn) -> events.Event:
    rows = draw(st.integers(0, 70))
    some = st.lists(longs, min_size=rows, max_size=rows)
    columns = draw(st.dictionaries(names, st.lists(st.floats(), min_size=rows, max_size=rows), max_size=4))
    return events.frame(draw(some), draw(some), columns)


@given(st.lists(frames(), max_size=3))
def test_points_are_counted_without_decoding(some: list[events.Event]) -> None:
    record = events.metric(RUN, some)
    points = sum(len(frame["steps"]) * len(frame["columns"]) for frame in some)
    assert shape.check(METRIC, datum("metric", record)) == points


@given(st.lists(frames(), max_size=2), st.data())
def test_a_cut_datum_is_never_whole(some: list[events.Event], data: st.DataObject) -> None:
    whole = datum("metric", events.metric(RUN, some))
    with pytest.raises(shape.Malformed):
        shape.check(METRIC, whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(st.lists(frames(), max_size=2), st.binary(min_size=1, max_size=20))
def test_bytes_after_a_datum_are_noticed(some: list[events.Event], more: bytes) -> None:
    with pytest.raises(shape.Malformed):
        shape.check(METRIC, datum("metric", events.metric(RUN, some)) + more)


@given(st.sampled_from(EVENT_NAMES), st.binary(max_size=200))
def test_garbage_is_malformed_or_whole_but_never_another_error(event: str, garbage: bytes) -> None:
    try:
        assert shape.check(current(event), garbage) >= 0
    except shape.Malformed as error:
        assert str(error)
    shape.identity(current(event), garbage)


@pytest.mark.parametrize(
    ("event", "record"),
    [
        ("run", events.run(RUN)),
        ("status", events.status(RUN)),
        ("param", events.param(RUN, "lr", "1")),
        ("tag", events.tag(RUN, "a", "b")),
        ("artifact", events.artifact(RUN, "model")),
    ],
)
def test_small_events_are_checked_too(event: str, record: events.Event) -> None:
    whole = datum(event, record)
    assert shape.check(current(event), whole) == 0
    for broken in (whole[:-1], whole + b"\0"):
        with pytest.raises(shape.Malformed):
            shape.check(current(event), broken)


def test_the_sender_of_a_damaged_event_is_still_known() -> None:
    run_id = uuid4()
    whole = datum("metric", batch_record(7, run_id=run_id))
    assert shape.identity(METRIC, whole[:60]) == (run_id, 0, events.ATTEMPT, 7)
    assert shape.identity(METRIC, b"\x02x").run_id == UUID(int=0)


def test_arrays_written_in_sized_blocks_are_understood() -> None:
    # Avro allows a negative count followed by the block's size in bytes; other writers use it.
    head = datum("metric", events.metric(RUN, []))[:-1]
    frame = datum("metric", events.metric(RUN, [events.frame([1], [2], {"a": [3.0]})]))[len(head) + 1 : -1]
    sized = head + b"\x01" + bytes([2 * len(frame)]) + frame + b"\0"
    assert METRIC.decode_datum(sized)["frames"][0]["steps"] == [1]
    assert shape.check(METRIC, sized) == 1
