"""Every statement of every page runs, as Grafana would send it, and gives what its panel can draw."""

import re

import pytest
from asking import asked, multi, some_runs
from drawing import sensible
from engine import Engine
from expander import Value
from pages import Query, queries

NASTY = "it's \\ α\\β 🚀 \"q\" `b` ${x} %27 ' OR 1=1 --\\"
"""A text that any quoting error would break on."""

every_query = pytest.mark.parametrize("query", queries(), ids=str)


@every_query
def test_a_page_as_it_opens_asks_nothing_that_fails(query: Query, engine: Engine) -> None:
    sensible(query, asked(query, engine))


@every_query
def test_a_page_with_chosen_runs_shows_rows_that_its_panel_can_draw(query: Query, engine: Engine) -> None:
    runs = some_runs(engine, 5)
    chosen: Value = runs if multi(query.page, "run") else runs[0]
    answer = asked(query, engine, run=chosen, metric=["train/loss"] if multi(query.page, "metric") else "train/loss")
    may_be_empty = query.panel is None or query.panel["type"] == "table"
    assert answer.rows or may_be_empty
    sensible(query, answer)


NAMES = sorted({found for query in queries() for found in re.findall(r"\$\{(\w+):", query.sql)})


@pytest.mark.parametrize(
    ("query", "name"), [(query, name) for query in queries() for name in NAMES if f"{{{name}:" in query.sql], ids=str
)
def test_no_value_of_a_variable_breaks_a_statement(query: Query, name: str, engine: Engine) -> None:
    asked(query, engine, **{name: [NASTY] if multi(query.page, name) else NASTY})
