"""What pages and alerts make of a store without any run."""

from collections.abc import Iterator

import pytest
from asking import asked, query_of
from drawing import sensible
from engine import Engine, opened
from pages import Query, alert_queries, queries
from stores import made, nothing


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with opened(made(tmp_path_factory.mktemp("empty"), nothing)) as engine:
        yield engine


@pytest.mark.parametrize("query", queries(), ids=str)
def test_a_store_without_runs_fails_no_panel(query: Query, empty: Engine) -> None:
    answer = asked(query, empty)
    sensible(query, answer)
    if query.panel and query.panel["type"] in ("table", "xychart"):
        assert answer.rows == [] and query.panel["fieldConfig"]["defaults"]["noValue"], "it says so in words"


@pytest.mark.parametrize("query", alert_queries(), ids=str)
def test_a_store_without_runs_fires_no_alert(query: Query, empty: Engine) -> None:
    assert empty.ask(query.sql).rows == []


@pytest.mark.parametrize(
    ("page", "title"), [("Runs", "Chosen runs"), ("Training health", "Diagnoses"), ("Fleet", "The fleet")]
)
def test_numbers_over_all_runs_are_zeros(page: str, title: str, empty: Engine) -> None:
    answer = asked(query_of(page, title), empty)
    assert answer.rows == [[0] * len(answer.names)]


@pytest.mark.parametrize(("page", "title"), [("Run", "$run"), ("Ranks", "Ranks of $run")])
def test_numbers_of_one_run_are_dashes(page: str, title: str, empty: Engine) -> None:
    query = query_of(page, title)
    assert query.panel is not None
    assert asked(query, empty).rows == []
    assert query.panel["fieldConfig"]["defaults"]["noValue"] == "–"
