"""The panel of the page Fleet that counts runs in each interval."""

import datetime as dt
import re
from collections.abc import Callable
from uuid import UUID

from store_process import Store

import support_events as events
from runstream_dashboards.fleet import STATES

DAY = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
HOUR_S = 3600


def shown(store: Store, begin_h: int = 0, end_h: int = 24) -> dict[tuple[int, str], int]:
    """Runs by hour of the day and state, as the panel shows them with an interval of an hour."""
    begin = int(DAY.timestamp())
    sql = STATES.replace("$__interval_s", str(HOUR_S))
    sql = sql.replace("$__fromTime", f"toDateTime({begin + begin_h * HOUR_S})")
    sql = sql.replace("$__toTime", f"toDateTime({begin + end_h * HOUR_S})")
    sql = re.sub(r"\$__conditionalAll\(.*?, \$experiment\)", "1 = 1", sql)
    rows = store.query(sql.replace("SELECT time,", "SELECT toUnixTimestamp(time),", 1))
    return {((time - begin) // HOUR_S, state): runs for time, state, runs in rows}


def put(store: Store, number: int, begin_h: float, end_h: float, state: str) -> None:
    attempt, end = (int((DAY.timestamp() + hours * HOUR_S) * 1e6) for hours in (begin_h, end_h))
    store.insert("run", events.run(UUID(int=number), attempt=attempt))
    final = state != "running"
    store.insert("status", events.status(UUID(int=number), attempt=attempt, time=end, state=state, final=final))


def test_a_run_is_alive_in_every_interval_that_it_touches_and_ends_in_one(new_store: Callable[[], Store]) -> None:
    store = new_store()
    put(store, 1, 10.8, 11.2, "finished")
    put(store, 2, 10.1, 13.9, "failed")
    put(store, 3, 12.5, 12.6, "running")  # without a sign of life since: lost
    assert shown(store) == {
        (10, "running"): 2,
        (11, "running"): 2,
        (11, "finished"): 1,
        (12, "running"): 2,
        (12, "lost"): 1,
        (13, "running"): 1,
        (13, "failed"): 1,
    }


def test_a_run_that_began_before_the_shown_time_is_counted_from_its_beginning(new_store: Callable[[], Store]) -> None:
    store = new_store()
    put(store, 1, 2.5, 20.5, "finished")
    assert shown(store, 8, 10) == {(8, "running"): 1, (9, "running"): 1, (10, "running"): 1}
    assert shown(store, 21, 23) == {}
