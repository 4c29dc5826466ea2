"""The panel of the page Fleet that shows how a metric is spread over all runs."""

import math
from collections.abc import Callable
from uuid import UUID

from curves import curve
from store_process import Store

import support_events as events
from runstream_dashboards.fleet import BAND
from runstream_dashboards.values import POINTS, ZOOM, one

ALL_STEPS = f"step_min = {-(2**63)}, step_max = {2**63 - 1}"


def shown(store: Store, metric: str) -> list[tuple[float | None, ...]]:
    """Step and percentiles, as the panel draws them."""
    sql = BAND.replace(one("metric"), f"'{metric}'").replace(POINTS, "500").replace(ZOOM, ALL_STEPS)
    return store.query(sql)


def test_no_line_is_drawn_where_no_run_has_a_finite_value(new_store: Callable[[], Store]) -> None:
    store = new_store()
    for number, values in enumerate([[1.0, math.nan, math.nan, 3.0], [2.0, 2.0, math.inf, 3.0]]):
        run = UUID(int=number + 1)
        store.insert("run", events.run(run))
        store.insert("metric", curve(run, {"loss": values, "bad": [math.nan] * 4}))
        store.insert("status", events.status(run, state="finished", final=True))
    nothing = (None,) * 5
    assert shown(store, "loss") == [(0, 1.0, 1.0, 2.0, 2.0, 2.0), (1, *[2.0] * 5), (2, *nothing), (3, *[3.0] * 5)]
    assert shown(store, "bad") == [(step, *nothing) for step in range(4)]
    assert shown(store, "none") == [(0, *nothing)], "without any row the chart shows an error"
