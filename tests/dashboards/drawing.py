"""What a panel can draw of an answer."""

from itertools import pairwise
from typing import Any

from engine import Answer
from pages import Query

MOST_ROWS = 25_000
"""More in a panel, and the browser is busy for seconds."""

NEVER_EMPTY = {"trend", "state-timeline", "heatmap"}
"""Panels that without a row complain of a field that is missing, instead of saying that there is nothing."""


def sensible(query: Query, answer: Answer) -> None:
    """Whatever is in the store, the panel draws it, or says in words that there is nothing."""
    assert len(answer.rows) <= MOST_ROWS
    assert not [kind for kind in answer.types if "AggregateFunction" in kind], "the data source cannot read it"
    if query.panel is not None:
        assert answer.rows or query.panel["type"] not in NEVER_EMPTY, "the panel complains of an answer without rows"
        drawable(query.panel, answer)


def drawable(panel: dict[str, Any], answer: Answer) -> None:
    """The rows are what the panel and its transformations want."""
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
