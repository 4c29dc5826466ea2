"""Every statement of every page runs, as Grafana would send it, and gives what its panel can draw."""

import re
from itertools import pairwise
from typing import Any

import pytest
from asking import asked, multi, some_runs
from engine import Answer, Engine
from expander import Value
from pages import Query, queries

MOST_ROWS = 25_000
"""More in a panel, and the browser is busy for seconds."""

NASTY = "it's \\ α\\β 🚀 \"q\" `b` ${x} %27 ' OR 1=1 --\\"
"""A text that any quoting error would break on."""


every_query = pytest.mark.parametrize("query", queries(), ids=str)


@every_query
def test_a_page_as_it_opens_asks_nothing_that_fails(query: Query, engine: Engine) -> None:
    assert len(asked(query, engine).rows) <= MOST_ROWS


@every_query
def test_a_page_with_chosen_runs_shows_rows_that_its_panel_can_draw(query: Query, engine: Engine) -> None:
    runs = some_runs(engine, 5)
    chosen: Value = runs if multi(query.page, "run") else runs[0]
    answer = asked(query, engine, run=chosen, metric=["train/loss"] if multi(query.page, "metric") else "train/loss")
    may_be_empty = query.panel is None or query.panel["type"] == "table"
    assert 0 < len(answer.rows) <= MOST_ROWS or may_be_empty
    assert not [kind for kind in answer.types if "AggregateFunction" in kind], "the data source cannot read it"
    if query.panel is not None:
        drawable(query.panel, answer)


def drawable(panel: dict[str, Any], answer: Answer) -> None:
    ids = [transformation["id"] for transformation in panel.get("transformations") or []]
    if panel["type"] == "table" and not ids:
        overridden = {one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]}
        assert overridden <= set(answer.names), f"columns that are not there: {overridden - set(answer.names)}"
    if panel["type"] == "xychart":
        for series in panel["options"]["series"]:
            for axis in ("x", "y", "color"):
                place = answer.names.index(series[axis]["matcher"]["options"])
                assert "Int" in answer.types[place] or "Float" in answer.types[place], f"{axis} is a number"
    if panel["type"] == "state-timeline":
        time, label, word = answer.names
        assert (time, answer.types[0][:8]) == ("time", "DateTime")
        assert panel["transformations"][0]["options"]["fields"] == [label]
        shown = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
        assert {row[2] for row in answer.rows} <= set(shown), f"a {word} without a colour"
        assert all(one[1] != other[1] or one[0] <= other[0] for one, other in pairwise(answer.rows)), "time ascends"
    if panel["type"] == "trend":
        x = answer.names.index(panel["options"]["xField"])
        labels: list[int] = []
        if ids == ["partitionByValues", "joinByField"]:
            # Partitions nest in the order of the columns, so that labels come before the value.
            fields = panel["transformations"][0]["options"]["fields"]
            assert answer.names == [panel["options"]["xField"], *fields, answer.names[-1]]
            labels = [answer.names.index(field) for field in fields]
        else:
            assert not ids
        lines: dict[tuple[Any, ...], list[float]] = {}
        for row in answer.rows:
            lines.setdefault(tuple(row[label] for label in labels), []).append(float(row[x]))
        for steps in lines.values():
            assert all(one < other for one, other in pairwise(steps)), "x ascends"


NAMES = sorted({found for query in queries() for found in re.findall(r"\$\{(\w+):", query.sql)})


@pytest.mark.parametrize(
    ("query", "name"), [(query, name) for query in queries() for name in NAMES if f"{{{name}:" in query.sql], ids=str
)
def test_no_value_of_a_variable_breaks_a_statement(query: Query, name: str, engine: Engine) -> None:
    asked(query, engine, **{name: [NASTY] if multi(query.page, name) else NASTY})
