"""What Grafana and its ClickHouse data source make of a query before it is sent: variables and macros.

As documented by both: formats of variables by Grafana, `$__conditionalAll` by the data source in the browser, the other
macros by its backend. Whatever is left over is an error, since Grafana would send it as it stands.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

ALL = "$__all"
Value = str | Sequence[str]


@dataclass
class Selection:
    """What is chosen on a page."""

    values: dict[str, Value]
    options: dict[str, Sequence[str]] = field(default_factory=dict)
    """What All stands for."""
    begin: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(days=3650))
    end: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(days=1))
    interval_s: int = 3600

    def but(self, **values: Value) -> "Selection":
        """The same with other values."""
        return Selection({**self.values, **values}, self.options, self.begin, self.end, self.interval_s)

    def is_all(self, name: str) -> bool:
        return list(_list(self.values[name])) in ([ALL], [])

    def chosen(self, name: str) -> list[str]:
        return list(self.options[name]) if self.is_all(name) else list(_list(self.values[name]))


def expand(sql: str, selection: Selection) -> str:
    """The statement as it reaches ClickHouse. Raises KeyError for an unknown variable, ValueError for leftovers."""
    text = _conditional(sql, selection)
    text = re.sub(r"\$\{(\w+)(?::(\w+))?\}", lambda found: _formatted(found[1], found[2] or "", selection), text)
    text = _macros(text, selection)
    text = re.sub(r"\$(?!__)([A-Za-z_]\w*)", lambda found: _formatted(found[1], "", selection), text)
    left = re.search(r"\$\{?__?\w+|\[\[\w+", text.replace(f"={ALL}", ""))
    if left:
        raise ValueError(f"{left[0]} is left over in {text}")
    return text


def percent_encoded(text: str) -> str:
    return quote(text, safe="-_.~")


def _list(value: Value) -> Sequence[str]:
    return [value] if isinstance(value, str) else value


def _formatted(name: str, form: str, selection: Selection) -> str:
    if name.startswith("__"):
        return f"${{{name}}}"
    values = _list(selection.values[name])
    if form == "queryparam":
        return "&".join(f"var-{name}={ALL if value == ALL else percent_encoded(value)}" for value in values)
    values = selection.chosen(name)
    if form == "percentencode":
        if len(values) != 1:
            raise ValueError(f"{name} has several values, and percentencode is for one")
        return percent_encoded(values[0])
    if form == "singlequote":
        return ",".join("'" + value.replace("'", "\\'") + "'" for value in values)
    if form in ("raw", "text", ""):
        if len(values) == 1:
            return values[0]
        return ",".join(f"'{value}'" for value in values) if form == "" else ",".join(values)
    raise ValueError(f"the format {form} is not known here")


def _conditional(sql: str, selection: Selection) -> str:
    start = "$__conditionalAll("
    while (at := sql.find(start)) >= 0:
        end = _closing(sql, at + len(start))
        condition, _, variable = sql[at + len(start) : end].rpartition(",")
        name = variable.strip().removeprefix("$")
        sql = sql[:at] + ("1=1" if selection.is_all(name) else condition.strip()) + sql[end + 1 :]
    return sql


def _closing(sql: str, at: int) -> int:
    depth = 1
    quoted = False
    for index in range(at, len(sql)):
        if sql[index] == "'":
            quoted = not quoted
        elif not quoted and sql[index] in "()":
            depth += 1 if sql[index] == "(" else -1
            if depth == 0:
                return index
    raise ValueError("a macro is not closed")


def _macros(sql: str, selection: Selection) -> str:
    begin, end = int(selection.begin.timestamp()), int(selection.end.timestamp())
    interval = selection.interval_s
    forms: Mapping[str, str] = {
        r"\$__timeFilter\(([^()]+)\)": rf"\1 >= toDateTime({begin}) AND \1 <= toDateTime({end})",
        r"\$__timeInterval\(([^()]+)\)": rf"toStartOfInterval(toDateTime(\1), INTERVAL {interval} second)",
        r"\$__fromTime\b": f"toDateTime({begin})",
        r"\$__toTime\b": f"toDateTime({end})",
        r"\$__interval_s\b": str(interval),
    }
    for pattern, replacement in forms.items():
        sql = re.sub(pattern, replacement, sql)
    return sql
