"""The pages Run and Ranks on runs that the demo does not have: many ranks, values that are not finite, sampled GPUs."""

import math
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from curves import curve
from store_process import Store

import support_events as events
from runstream_dashboards import ranks, run

RUN = UUID(int=7)
MOST_ROWS = 25_000


@pytest.fixture(scope="module")
def many(new_store: Callable[[], Store]) -> Store:
    """70 ranks of 2,100 steps; rank 3 has a NaN, rank 69 a high value, every eighth samples eight GPUs."""
    store = new_store()
    for rank in range(70):
        values = [float(rank)] * 2100
        if rank == 3:
            values[1234] = math.nan
        if rank == 69:
            values[777] = 1e6
        store.insert("run", events.run(RUN, rank=rank, world_size=70, host=f"node{rank // 8}", node=rank // 8))
        store.insert("metric", curve(RUN, {"loss": values}, rank=rank))
        if rank % 8 == 0:
            store.insert("metric", _sampled(rank, [*[30.0] * 4000, 91.0, *[30.0] * 4000]))
    return store


def _sampled(rank: int, values: list[float]) -> events.Event:
    second = events.ATTEMPT // 1_000_000
    steps = [second + 10 * number for number in range(len(values))]
    columns = {f"system/gpu.{gpu}.temperature_c": values for gpu in range(8)}
    return events.metric(RUN, [events.frame(steps, [step * 1_000_000 for step in steps], columns)], rank=rank, seq=9)


def asked(store: Store, sql: str, run_id: UUID = RUN, metric: str = "loss", points: int = 500) -> list[tuple[Any, ...]]:
    """What a panel shows."""
    chosen = {"run": str(run_id), "metric": metric, "points": str(points)}
    return store.query(re.sub(r"\$\{(\w+):percentencode\}", lambda found: chosen.get(found[1], ""), sql))


@pytest.mark.parametrize("points", [500, 2000])
def test_a_line_of_each_rank_reaches_the_end_however_many_there_are(many: Store, points: int) -> None:
    rows = asked(many, ranks.LINES, points=points)
    assert len(rows) <= MOST_ROWS
    ends: dict[str, int] = {}
    for step, *_, name, _ in rows:
        ends[name] = max(ends.get(name, 0), step)
    assert len(ends) == ranks.MOST_RANKS
    assert len(set(ends.values())) == 1


def test_a_heat_map_reaches_the_end_with_as_many_ranks_as_it_shows(many: Store) -> None:
    rows = asked(many, ranks.HEAT)
    last = max(step for step, _, _ in rows)
    assert last > 2000 and len([row for row in rows if row[0] == last]) == ranks.MOST_RANKS
    assert len(rows) <= MOST_ROWS


def test_a_value_that_is_not_finite_is_marked_on_its_rank(many: Store) -> None:
    marked = [row for row in asked(many, ranks.LINES) if "NaN/Inf" in row]
    assert [row[2] for row in marked] == ["rank 3"]
    assert marked[0][0] <= 1234 and marked[0][3] == 3.0


def test_the_band_marks_it_too_and_holds_the_extremes_of_all_ranks(many: Store) -> None:
    rows = asked(many, ranks.BAND)
    assert max(row[3] for row in rows) == 1e6
    (step,) = [row[0] for row in rows if row[4] is not None]
    assert step <= 1234


def test_a_run_of_nan_alone_is_marked_and_one_without_the_metric_is_an_empty_row(
    new_store: Callable[[], Store],
) -> None:
    store = new_store()
    store.insert("metric", curve(RUN, {"loss": [math.nan]}))
    assert next(row for row in asked(store, ranks.LINES) if "NaN/Inf" in row)[-1] is not None
    assert asked(store, ranks.BAND)[0][-1] is not None
    assert asked(store, run.METRIC)[0][-1] is not None
    for sql in (ranks.LINES, ranks.BAND, ranks.HEAT, ranks.SPREAD, run.METRIC):
        (row,) = asked(store, sql, metric="none such")
        assert row[-1] is None


def test_params_of_every_rank_are_shown(new_store: Callable[[], Store]) -> None:
    store = new_store()
    store.insert("run", events.run(RUN))
    store.insert("param", events.param(RUN, "lr", '"0.1"'), events.param(RUN, "shard", '"3"', rank=3))
    assert asked(store, run.PARAMS) == [("lr", "0.1"), ("shard", "3")]


def test_the_greatest_sample_of_every_machine_is_drawn(many: Store) -> None:
    rows = asked(many, run.machine_sql("^system/gpu[.][0-9]+[.]temperature_c$", "max"), points=2000)
    assert len(rows) <= MOST_ROWS
    greatest: dict[tuple[str, str], float] = {}
    for _, metric, source, value in rows:
        greatest[metric, source] = max(greatest.get((metric, source), 0), value)
    assert len(greatest) == 9 * 8
    assert set(greatest.values()) == {91.0}
