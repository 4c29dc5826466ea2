"""Findings are renewed soon after something was loaded, not too often, and never in the way of loading."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from scripted import FakeClock, error

from runstream_ingest.deliver import FatalStoreError
from runstream_ingest.observer import Observer
from runstream_ingest.renewal import RENEW_EVERY_S, RENEW_SHARE, Renewal
from runstream_ingest.store import Store

ACCESS_DENIED, TIMEOUT = 497, 159


@dataclass
class FakeHold:
    """A hold on a store in which one run is always due, and its client."""

    last_look_s_ago: float = 1e9
    on_write: Callable[[], None] = lambda: None
    writes: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def store(self) -> Store:
        return cast(Store, self)

    def due(self) -> bool:
        return False

    def rest(self) -> None:
        self.calls.append("rest")

    def give_back(self) -> None:
        self.calls.append("give back")

    @property
    def client(self) -> "FakeHold":
        return self

    def connect(self) -> "FakeHold":
        return self

    def close(self) -> None:
        pass

    def query(self, sql: str) -> Any:
        if "AS ago" in sql:
            return Rows([(int(self.last_look_s_ago * 1e6),)])
        return Rows([] if "amended_run" in sql else [(1,)])

    def command(self, sql: str, settings: object) -> None:
        self.on_write()
        self.writes.append(sql)


@dataclass
class Rows:
    result_rows: list[tuple[Any, ...]]


def renewal(hold: FakeHold, clock: FakeClock, told: list[str] | None = None) -> Renewal:
    return Renewal(hold, clock, Observer(), (told if told is not None else []).append)


def turn(made: Renewal) -> None:
    """One turn of the loop, and the end of what it began."""
    made.turn()
    made.give_back()


def test_a_worker_renews_when_it_begins_and_then_after_it_has_loaded_something() -> None:
    hold, clock = FakeHold(), FakeClock()
    made = renewal(hold, clock)
    turn(made)
    assert len(hold.writes) == 1
    clock.now += 100
    turn(made)
    assert len(hold.writes) == 1
    made.loaded()
    turn(made)
    assert len(hold.writes) == 2


def test_it_renews_not_before_some_seconds_have_passed_and_not_for_more_than_its_share_of_the_time() -> None:
    hold, clock = FakeHold(), FakeClock()
    made = renewal(hold, clock)

    def writes_after(seconds: float) -> int:
        made.loaded()
        clock.now += seconds
        turn(made)
        return len(hold.writes)

    turn(made)
    assert writes_after(RENEW_EVERY_S - 0.1) == 1
    hold.on_write = lambda: setattr(clock, "now", clock.now + 1.0)
    assert writes_after(0.1) == 2
    assert writes_after(1 / RENEW_SHARE - 0.1) == 2
    assert writes_after(0.1) == 3


def test_what_another_worker_just_did_is_done_again_a_little_later_because_it_may_have_missed_something() -> None:
    hold, clock = FakeHold(last_look_s_ago=2.0), FakeClock()
    made = renewal(hold, clock)
    turn(made)
    assert hold.writes == []
    clock.now += RENEW_EVERY_S - 2.0
    hold.last_look_s_ago = RENEW_EVERY_S
    turn(made)
    assert len(hold.writes) == 1


def test_a_clock_that_was_put_back_does_not_keep_it_from_renewing() -> None:
    hold = FakeHold(last_look_s_ago=-1000.0)
    turn(renewal(hold, FakeClock()))
    assert len(hold.writes) == 1


def test_the_loop_goes_on_meanwhile_and_the_store_stays_open_until_it_has_ended() -> None:
    hold = FakeHold()
    began, may_end = threading.Event(), threading.Event()

    def write() -> None:
        began.set()
        may_end.wait(30)
        hold.calls.append("written")

    hold.on_write = write
    made = renewal(hold, FakeClock())
    made.turn()
    assert began.wait(30)
    made.loaded()
    made.turn()
    made.rest()
    assert hold.calls == []
    threading.Timer(0.05, may_end.set).start()
    made.give_back()
    assert hold.calls == ["written", "give back"]
    made.rest()
    assert hold.calls[-1] == "rest"


def test_trouble_is_told_and_tried_again_and_loading_goes_on() -> None:
    hold, clock, told = FakeHold(), FakeClock(), list[str]()

    def fail() -> None:
        raise error(TIMEOUT, "too slow")

    hold.on_write = fail
    made = renewal(hold, clock, told)
    turn(made)
    assert len(told) == 1
    assert "too slow" in told[0]
    hold.on_write = lambda: None
    clock.now += RENEW_EVERY_S
    turn(made)
    assert len(hold.writes) == 1


def test_missing_rights_stop_the_worker() -> None:
    hold, clock = FakeHold(), FakeClock()

    def refuse() -> None:
        raise error(ACCESS_DENIED, "not enough privileges")

    hold.on_write = refuse
    made = renewal(hold, clock)
    turn(made)
    clock.now += RENEW_EVERY_S
    with pytest.raises(FatalStoreError, match="not enough privileges"):
        made.turn()


def test_a_worker_that_ends_when_all_is_loaded_renews_before_it_ends() -> None:
    hold, clock = FakeHold(), FakeClock()
    made = renewal(hold, clock)
    turn(made)
    made.finish()
    assert len(hold.writes) == 1
    made.loaded()
    made.finish()
    assert len(hold.writes) == 2
