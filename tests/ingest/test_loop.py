"""The loop (runstream_ingest/loop.py): what it reads, when it commits, and when it waits."""

import itertools
import threading
from collections.abc import Sequence

import pytest
from scripted import BATCHES, PLACE, Bench, FakeStore, ListSource, error, messages

from runstream_ingest.batch import Batcher
from runstream_ingest.deliver import FatalStoreError, StoreKeepsFailing
from runstream_ingest.loop import SAY_SILENCE_S, Loop
from runstream_ingest.sources.source import Positions
from runstream_schemas.avro import Schema


def test_positions_are_committed_after_the_insert(bench: Bench) -> None:
    store, source = FakeStore(), ListSource([messages(BATCHES)])
    loaded = Loop(source, lambda: store, bench.delivery).run(lambda idle: idle)
    assert source.commits == [{PLACE: len(BATCHES)}]
    assert (loaded.messages, loaded.points) == (8, 32)


@pytest.mark.parametrize("trouble", [error(60), error(252)])
def test_nothing_is_committed_when_the_insert_fails(bench: Bench, trouble: Exception) -> None:
    bench.delivery.give_up_s = 1.0
    source = ListSource([messages(BATCHES)])
    with pytest.raises((FatalStoreError, StoreKeepsFailing)):
        Loop(source, lambda: FakeStore(script=[trouble] * 99), bench.delivery).run(lambda idle: idle)
    assert source.commits == []


@pytest.mark.parametrize("lost", [False, True])
def test_a_partition_that_another_worker_takes_over_is_settled_first_unless_it_is_lost_already(
    bench: Bench, lost: bool
) -> None:
    store, source = FakeStore(), ListSource([messages(BATCHES)])
    settled: list[Positions] = []

    def goes(idle: bool) -> bool:
        source.released([PLACE], lost)
        settled.extend(source.commits)
        return True

    Loop(source, lambda: store, bench.delivery, Batcher(max_bytes=1)).run(goes)
    # The last batches may still be on their way: it waits for them.
    assert settled == ([] if lost else [{PLACE: len(BATCHES)}])
    assert source.commits == settled, "nothing is committed of what another worker reads"


def test_a_stop_while_working_still_stores_what_was_read(bench: Bench) -> None:
    store, source = FakeStore(), ListSource([messages(BATCHES), messages(BATCHES)])

    def stop_after_the_first(idle: bool) -> bool:
        bench.delivery.stop.set()
        return False

    Loop(source, lambda: store, bench.delivery).run(stop_after_the_first)
    assert store.stored == BATCHES
    assert source.commits == [{PLACE: len(BATCHES)}]


def test_a_store_that_answers_nothing_is_named_once(bench: Bench) -> None:
    source = ListSource([messages([datum]) for datum in BATCHES])
    let_go = threading.Event()
    said: list[str] = []
    bench.delivery.on_trouble = said.append
    looks = itertools.count()

    def time_passes() -> None:
        bench.clock.now += SAY_SILENCE_S
        if next(looks) == 3:
            let_go.set()

    source.on_keep_alive = time_passes

    class SilentStore(FakeStore):
        def insert(self, table: str, schema: Schema, datums: Sequence[bytes]) -> None:
            assert let_go.wait(30)
            super().insert(table, schema, datums)

    Loop(source, SilentStore, bench.delivery, Batcher(max_bytes=1)).run(lambda idle: idle)
    assert said == ["no insert has ended for 10 s; waiting for the store"]


def test_nothing_more_is_read_while_two_batches_are_in_flight(bench: Bench) -> None:
    source = ListSource([messages([datum]) for datum in BATCHES])
    let_go = threading.Event()
    unread: list[int] = []

    def after_a_while() -> None:
        unread.append(len(source.polls))
        if len(unread) == 2:
            let_go.set()

    source.on_keep_alive = after_a_while
    stores: list[FakeStore] = []

    class HungStore(FakeStore):
        def insert(self, table: str, schema: Schema, datums: Sequence[bytes]) -> None:
            assert let_go.wait(30)
            super().insert(table, schema, datums)

    def connect() -> FakeStore:
        stores.append(HungStore())
        return stores[-1]

    Loop(source, connect, bench.delivery, Batcher(max_bytes=1)).run(lambda idle: idle)
    # Two are being inserted and the third waits; the other five are left where they are.
    assert unread[:2] == [5, 5]
    assert len(stores) == 2
    assert sorted(datum for store in stores for datum in store.stored) == sorted(BATCHES)
