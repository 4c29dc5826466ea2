"""Every statement on a store of 10,000 runs: as a page opens, with some runs chosen, and with all of them."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import fleet_of_runs as fleet
import pytest
from asking import asked, multi, pointed_at, query_of, sent, uses
from drawing import sensible
from engine import MOST_QUERY_BYTES, Engine, opened
from pages import Query, alert_queries, queries
from stores import made

from runstream_analytics.serve import allowed
from runstream_dashboards.alerts import MOST
from runstream_dashboards.values import MOST_RUNS

USERS = Path(__file__).parents[2] / "deploy/clickhouse/users.d/runstream.xml"
SEVERAL = [fleet.run_id(number) for number in (fleet.MANY_RANKS_EVERY, 5, 6, 7, 8)]
"""The first has many ranks, the second a NaN."""
ALL = [fleet.run_id(number) for number in range(fleet.RUNS)]


@pytest.fixture(scope="module")
def thousands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with opened(made(tmp_path_factory.mktemp("fleet"), fleet.fill)) as engine:
        yield engine


@pytest.mark.parametrize("query", queries(), ids=str)
def test_a_page_of_thousands_of_runs_opens(query: Query, thousands: Engine) -> None:
    sensible(query, asked(query, thousands))


@pytest.mark.parametrize("query", [query for query in queries() if uses(query, "run", "run_a", "metric")], ids=str)
def test_runs_may_be_chosen_among_thousands(query: Query, thousands: Engine) -> None:
    chosen = pointed_at(query, SEVERAL[0], "train/loss")
    if multi(query.page, "run"):
        chosen["run"] = SEVERAL
    answer = asked(query, thousands, **chosen)
    sensible(query, answer)
    assert answer.rows or query.panel is None or query.panel["type"] == "table"


@pytest.mark.parametrize("query", alert_queries(), ids=str)
def test_an_alert_tells_of_some_of_thousands(query: Query, thousands: Engine) -> None:
    assert 0 < len(thousands.ask(query.sql).rows) <= MOST


@pytest.mark.parametrize("query", [query for query in queries() if multi(query.page, "run")], ids=str)
def test_all_of_thousands_may_be_chosen_at_once(query: Query, thousands: Engine) -> None:
    sql = sent(query, thousands, run=ALL)
    assert len(sql.encode()) < MOST_QUERY_BYTES
    sensible(query, thousands.ask(sql))


def test_of_all_that_are_chosen_the_first_are_compared(thousands: Engine) -> None:
    for title, column in (("$metric (trend)", "run_id"), ("The chosen runs", "run_id")):
        answer = asked(query_of("Compare", title), thousands, run=ALL, metric=["train/loss"])
        assert {row[answer.names.index(column)] for row in answer.rows} == set(ALL[:MOST_RUNS])


def test_a_statement_may_be_as_long_wherever_it_is_asked() -> None:
    limits = [int(limit.text or 0) for limit in ElementTree.parse(USERS).iterfind(".//max_query_size")]
    assert limits == [MOST_QUERY_BYTES] == [allowed.MOST_QUERY_BYTES]


def test_every_run_is_counted_once(thousands: Engine) -> None:
    totals = asked(query_of("Fleet", "The fleet"), thousands)
    counted = dict(zip(totals.names, totals.rows[0], strict=True))
    assert (counted["runs"], counted["running"], counted["users"]) == (fleet.RUNS, fleet.STILL_RUN, 300)
    diagnoses = asked(query_of("Training health", "Diagnoses"), thousands)
    assert sum(diagnoses.rows[0]) == fleet.RUNS
    with_nan = len(range(5, fleet.RUNS, fleet.NAN_EVERY))
    assert diagnoses.rows[0][diagnoses.names.index("diverged")] == with_nan
    assert len(asked(query_of("Training health", "NaN and infinity"), thousands).rows) == with_nan
