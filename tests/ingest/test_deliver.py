"""The state machine of a delivery (runstream_ingest/deliver.py), with a scripted store and a clock that never waits."""

import pytest
from ingest_support import batches
from scripted import BATCHES, Bench, FakeStore, batch, error

from runstream_ingest.deliver import FatalStoreError, Stopped, StoreKeepsFailing
from runstream_ingest.poison import MAX_BAD_FREE, Poisoned


@pytest.mark.parametrize("trouble", [error(252), error(241), error(999_999), ConnectionResetError(), TimeoutError()])
def test_a_transient_or_unknown_error_repeats_the_identical_batch(bench: Bench, trouble: Exception) -> None:
    store = FakeStore(script=[trouble] * 4)
    delivered = bench.delivery.deliver(batch(BATCHES), store)
    assert store.attempts == [tuple(BATCHES)] * 5
    assert delivered.letters == []
    assert bench.clock.waits == sorted(bench.clock.waits)
    assert len(bench.clock.waits) == 4


def test_only_the_culprits_become_dead_letters(bench: Bench) -> None:
    bad = {BATCHES[2], BATCHES[7]}
    store = FakeStore(refuses=bad.__contains__)
    delivered = bench.delivery.deliver(batch(BATCHES), store)
    assert store.stored == [datum for datum in BATCHES if datum not in bad]
    assert {bench.directory.datum(letter) for letter in bench.directory.letters()} == bad
    assert store.letters == delivered.letters
    assert [(letter.seq, letter.points, letter.error_code) for letter in delivered.letters] == [
        (2, 4, 469),
        (7, 4, 469),
    ]
    assert delivered.points == 4 * 6


def test_a_data_error_that_no_message_reproduces_is_treated_as_transient(bench: Bench) -> None:
    store = FakeStore(script=[error(1001), error(117)])
    delivered = bench.delivery.deliver(batch(BATCHES), store)
    assert delivered.letters == []
    assert store.attempts == [tuple(BATCHES)] * 3


def test_an_error_text_that_is_not_utf8_is_a_reason_to_look_for_culprits(bench: Bench) -> None:
    undecoded = UnicodeDecodeError("utf-8", b"Code: 469. DB::Exception: \xff", 26, 27, "bad")
    store = FakeStore(script=[undecoded], refuses=lambda d: d == BATCHES[0])
    assert [letter.seq for letter in bench.delivery.deliver(batch(BATCHES), store).letters] == [0]


@pytest.mark.parametrize("code", [60, 497, 516])
def test_a_schema_or_grant_error_stops_loudly(bench: Bench, code: int) -> None:
    store = FakeStore(script=[error(code)])
    with pytest.raises(FatalStoreError, match="scripted"):
        bench.delivery.deliver(batch(BATCHES), store)
    assert bench.clock.waits == []


def test_malformed_datums_never_reach_the_store(bench: Bench) -> None:
    store = FakeStore()
    cut, longer = BATCHES[1][:-1], BATCHES[3] + b"\0"
    delivered = bench.delivery.deliver(batch([BATCHES[0], cut, b"", longer, BATCHES[4]]), store)
    assert store.attempts == [(BATCHES[0], BATCHES[4])]
    assert [letter.seq for letter in delivered.letters] == [1, -1, 3]


def test_a_flood_of_poison_stops_the_worker_and_puts_nothing_aside(bench: Bench) -> None:
    flood = [BATCHES[0][:-1]] * (MAX_BAD_FREE + 1) + BATCHES
    with pytest.raises(Poisoned, match="refused"):
        bench.delivery.deliver(batch(flood), FakeStore())
    assert list(bench.directory.letters()) == []


def test_a_flood_that_only_the_store_sees_stops_the_worker_too(bench: Bench) -> None:
    many = batches(300, rows=1)
    store = FakeStore(refuses=lambda datum: True)
    with pytest.raises(Poisoned):
        bench.delivery.deliver(batch(many), store)
    assert list(bench.directory.letters()) == []


def test_a_flood_spread_over_batches_is_noticed(bench: Bench) -> None:
    half = [BATCHES[0][:-1]] * (MAX_BAD_FREE // 2 + 1)
    bench.delivery.deliver(batch(half), FakeStore())
    with pytest.raises(Poisoned):
        bench.delivery.deliver(batch(half), FakeStore())


def test_few_bad_among_many_good_never_stop_the_worker(bench: Bench) -> None:
    mixed = [BATCHES[0]] * 100 + [BATCHES[1][:-1]] * 4
    for _ in range(100):
        bench.delivery.deliver(batch(mixed), FakeStore())


def test_nothing_is_stored_as_done_while_dead_letters_cannot_be_kept(bench: Bench) -> None:
    store = FakeStore(refuses=lambda datum: datum == BATCHES[2], record_errors=[error(252), OSError(28, "disk full")])
    delivered = bench.delivery.deliver(batch(BATCHES), store)
    assert len(bench.clock.waits) == 2
    assert store.letters == delivered.letters


def test_a_stop_ends_the_retries(bench: Bench) -> None:
    bench.clock.on_wait = bench.delivery.stop.set
    with pytest.raises(Stopped):
        bench.delivery.deliver(batch(BATCHES), FakeStore(script=[error(252)] * 9))


def test_a_command_gives_up_after_its_time(bench: Bench) -> None:
    bench.delivery.give_up_s = 20.0
    with pytest.raises(StoreKeepsFailing, match="scripted"):
        bench.delivery.deliver(batch(BATCHES), FakeStore(script=[error(252)] * 1000))
    assert bench.clock.now <= 20.0


def test_the_same_refused_message_has_one_dead_letter_however_often_it_is_read(bench: Bench) -> None:
    store = FakeStore(refuses=lambda datum: datum == BATCHES[2])
    for _ in range(3):
        bench.delivery.deliver(batch(BATCHES), store)
    assert len(list(bench.directory.letters())) == 1
