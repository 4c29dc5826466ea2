"""Batches, positions and pauses: the pure parts of the loop."""

import random

from hypothesis import given
from hypothesis import strategies as st

from runstream_ingest.backoff import Backoff
from runstream_ingest.batch import Batch, Batcher
from runstream_ingest.progress import Progress
from runstream_ingest.sources.source import Message, Partition
from runstream_schemas.avro import current

SCHEMAS = (current("metric"), current("tag"), current("run"))


def message(offset: int = 0, size: int = 10, schema: int = 0, partition: str = "p") -> Message:
    return Message(SCHEMAS[schema], bytes(size), Partition("log", partition), offset, offset + size)


def test_a_batch_is_full_by_bytes() -> None:
    batcher = Batcher(max_bytes=25)
    assert batcher.add(message(0), 0.0) is None
    assert batcher.add(message(10), 0.0) is None
    full = batcher.add(message(20), 0.0)
    assert full is not None
    assert [m.offset for m in full.messages] == [0, 10, 20]
    assert batcher.drain() == []


def test_a_batch_is_due_by_the_age_of_its_first_message() -> None:
    batcher = Batcher(max_age_s=0.5)
    batcher.add(message(0), 10.0)
    batcher.add(message(10), 10.4)
    assert batcher.due(10.49) == []
    assert [len(batch.messages) for batch in batcher.due(10.5)] == [2]


def test_each_schema_has_a_batch_of_its_own() -> None:
    batcher = Batcher()
    for schema in (0, 1, 0):
        batcher.add(message(schema=schema), 0.0)
    assert {batch.schema.event: len(batch.messages) for batch in batcher.drain()} == {"metric": 2, "tag": 1}


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("ab")), max_size=40), st.randoms(use_true_random=False))
def test_a_position_is_committed_only_when_everything_before_it_is_stored(
    stream: list[tuple[int, str]], order: random.Random
) -> None:
    batcher, progress = Batcher(max_bytes=30), Progress()
    flying: list[Batch] = []
    offsets = {"a": 0, "b": 0}
    stored: dict[str, set[int]] = {"a": set(), "b": set()}
    committed = {"a": 0, "b": 0}

    def settle() -> None:
        batch = flying.pop(order.randrange(len(flying)))
        progress.stored(batch)
        for m in batch.messages:
            stored[m.partition.name].add(m.offset)
        for partition, position in progress.committable([*flying, *batcher.open_batches()]).items():
            assert position >= committed[partition.name]
            assert stored[partition.name] >= set(range(0, position, 10))
            committed[partition.name] = position

    for schema, partition in stream:
        m = message(offsets[partition], 10, schema, partition)
        offsets[partition] += 10
        progress.read(m)
        full = batcher.add(m, 0.0)
        if full:
            flying.append(full)
        if flying and order.random() < 0.5:
            settle()
    flying += batcher.drain()
    while flying:
        settle()
    assert committed == offsets


def test_pauses_double_up_to_a_cap_and_never_vanish() -> None:
    backoff = Backoff(first_s=0.1, cap_s=5.0, random=random.Random(1))
    pauses = [backoff.next_s() for _ in range(200)]
    assert all(0.05 <= pause <= 5.0 for pause in pauses)
    for attempt in range(5):
        assert 0.05 * 2**attempt <= pauses[attempt] <= 0.1 * 2**attempt
    assert min(pauses[10:]) >= 2.5
