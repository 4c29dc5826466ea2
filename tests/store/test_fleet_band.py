"""The panel of the page Fleet that shows how a metric is spread over all runs."""

import math
from collections.abc import Callable
from uuid import UUID

from curves import curve
from store_process import Store

import support_events as events
from runstream_dashboards.fleet import BAND, OF_THESE
from runstream_dashboards.values import POINTS, ZOOM, one

ALL_STEPS = f"step_min = {-(2**63)}, step_max = {2**63 - 1}"


def shown(store: Store, metric: str, runs: str = "[]") -> list[tuple[float | None, ...]]:
    """Step, percentiles and the mark of the first bad step, as the panel draws them."""
    sql = BAND.replace(one("metric"), f"'{metric}'").replace(POINTS, "500").replace(ZOOM, ALL_STEPS)
    return store.query(sql.replace(OF_THESE, runs))


def test_no_line_is_drawn_where_no_run_has_a_finite_value(new_store: Callable[[], Store]) -> None:
    store = new_store()
    for number, values in enumerate([[1.0, math.nan, math.nan, 3.0], [2.0, 2.0, math.inf, 3.0]]):
        run = UUID(int=number + 1)
        store.insert("run", events.run(run))
        store.insert("metric", curve(run, {"loss": values, "bad": [math.nan] * 4}))
        store.insert("status", events.status(run, state="finished", final=True))
    nothing = (None,) * 5
    begin = (0, 1.0, 1.0, 2.0, 2.0, 2.0, None)
    assert shown(store, "loss") == [begin, (1, *[2.0] * 5, 2.0), (2, *nothing, None), (3, *[3.0] * 5, None)]
    assert shown(store, "bad") == [(0, *nothing, 0.0), *((step, *nothing, None) for step in range(1, 4))]
    assert shown(store, "none") == [(0, *nothing, None)], "without any row the chart shows an error"


def test_a_band_is_that_of_the_chosen_runs_and_of_all_when_none_are(new_store: Callable[[], Store]) -> None:
    store = new_store()
    for number in (1, 2, 3):
        store.insert("run", events.run(UUID(int=number)))
        store.insert("metric", curve(UUID(int=number), {"loss": [float(number)] * 2}))
    medians = {runs: [row[3] for row in shown(store, "loss", runs)] for runs in ("[]", f"['{UUID(int=3)}']")}
    assert list(medians.values()) == [[2.0, 2.0], [3.0, 3.0]]
