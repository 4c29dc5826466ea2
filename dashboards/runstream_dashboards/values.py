"""Values of variables in SQL, safe whatever they hold.

None of Grafana's formats for SQL escapes a backslash, which ClickHouse honours in a literal. Percent encoding
leaves nothing that could end one.
"""

from __future__ import annotations

ALL_STEPS_MIN = "-9223372036854775808"
ALL_STEPS_MAX = "9223372036854775807"

MOST_RUNS = 50
"""More lines in a panel cannot be told apart."""
MOST_ROWS = 25_000
"""More in a panel, and the browser is busy for seconds."""


def one(variable: str) -> str:
    """The text of a variable with one value."""
    return f"decodeURLComponent('${{{variable}:percentencode}}')"


def many(variable: str) -> str:
    """The texts of a variable with several values, as an array."""
    return f"arrayMap(x -> decodeURLComponent(x), extractAll('${{{variable}:queryparam}}', 'var-{variable}=([^&]*)'))"


def among(column: str, variable: str) -> str:
    """A condition: the column is one of the variable's values, or all are chosen."""
    return f"$__conditionalAll(has({many(variable)}, {column}), ${variable})"


def runs(variable: str = "run", most: int = MOST_RUNS) -> str:
    """The chosen runs, for the parameter `runs` of a chart: at most so many, and never none, which would mean all."""
    return f"(SELECT arraySlice(arrayMap(x -> toUUIDOrZero(x), {many(variable)}), 1, {most}))"


def run(variable: str = "run") -> str:
    """The chosen run."""
    return f"toUUIDOrZero({one(variable)})"


def number(variable: str, otherwise: str, kind: str = "Int64") -> str:
    """The number that a person chose or typed, and another one when it is none."""
    return f"(SELECT ifNull(to{kind}OrNull({one(variable)}), {otherwise}))"


POINTS = number("points", "500", "UInt32")
WHOLE = f"step_min = {ALL_STEPS_MIN}, step_max = {ALL_STEPS_MAX}"
ZOOM = f"step_min = {number('step_min', ALL_STEPS_MIN)}, step_max = {number('step_max', ALL_STEPS_MAX)}"
