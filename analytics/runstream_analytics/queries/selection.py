"""From references and filters to SQL over the public views, every word of the user's as a parameter."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

from runstream_analytics.errors import UserError
from runstream_analytics.filters import All, AnyOf, Compare, Filter, Not
from runstream_analytics.references import FIELDS, Field, Metric, Param, Reference, Tag, label

_FIELD_SQL: Final[Mapping[str, str]] = {
    "id": "toString(r.run_id)",
    "duration": "r.duration_s",
    "step": "r.last_step",
}
"""Fields that are not simply the column of that name."""

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

_FORMS: Final[Mapping[str, str]] = {
    "=": "{0} = {1}",
    "!=": "{0} != {1}",
    "<": "{0} < {1}",
    "<=": "{0} <= {1}",
    ">": "{0} > {1}",
    ">=": "{0} >= {1}",
    "~": "positionCaseInsensitiveUTF8({0}, {1}) > 0",
    "!~": "positionCaseInsensitiveUTF8({0}, {1}) = 0",
}

Form = Literal["value", "text", "number"]

_PARAM_FORMS: Final[tuple[Form, ...]] = ("value", "text", "number")


class Selection:
    """Collects what a query over runs needs: joined columns and parameters.

    Ask for all expressions first, then for `source` and `parameters`.
    """

    def __init__(self) -> None:
        self.parameters: dict[str, Any] = {}
        """Values for the placeholders of all expressions handed out."""
        self._metrics: dict[Metric, str] = {}
        self._params: dict[str, str] = {}
        self._tags: dict[str, str] = {}

    def expression(self, reference: Reference, form: Form = "value") -> str:
        """SQL for a reference. A param's value is JSON text; its number is NULL when it is none."""
        match reference:
            case Field(name):
                return _FIELD_SQL.get(name, f"r.{name}")
            case Metric():
                return f"m.{self._metrics.setdefault(reference, f'm{len(self._metrics)}')}"
            case Param(key):
                return f"p.{self._params.setdefault(key, f'p{len(self._params)}')}_{form}"
            case Tag(key):
                column = f"t.{self._tags.setdefault(key, f't{len(self._tags)}')}"
                return f"toFloat64OrNull({column})" if form == "number" else column

    def condition(self, condition: Filter) -> str:
        """SQL for a filter. Raises UserError where a value does not fit what it is compared with."""
        match condition:
            case Compare():
                return self._compare(condition)
            case Not(of):
                return f"NOT ({self.condition(of)})"
            case All(of):
                return " AND ".join(f"({self.condition(part)})" for part in of) or "1"
            case AnyOf(of):
                return " OR ".join(f"({self.condition(part)})" for part in of)

    def parameter(self, value: Any, kind: str) -> str:
        """A placeholder for a value of a ClickHouse type."""
        name = f"v{len(self.parameters)}"
        self.parameters[name] = value
        return f"{{{name}:{kind}}}"

    def source(self) -> str:
        """The FROM clause: runs, and what the expressions so far need beside them."""
        joins = ["FROM runs AS r"]
        if self._metrics:
            wanted = {column: (metric.aggregate, metric.name) for metric, column in self._metrics.items()}
            joins.append(self._join("metric_summary", "m", "metric", wanted))
        if self._params:
            wanted = {f"{column}_{form}": (form, key) for key, column in self._params.items() for form in _PARAM_FORMS}
            joins.append(self._join("params", "p", "key", wanted))
        if self._tags:
            wanted = {column: ("value", key) for key, column in self._tags.items()}
            joins.append(self._join("tags", "t", "key", wanted))
        return "\n".join(joins)

    def _join(self, view: str, alias: str, key: str, wanted: Mapping[str, tuple[str, str]]) -> str:
        """One row per run; each column is another column of the view where its key has one value, else NULL."""
        # Without toNullable a run that lacks the key would get '' or 0.
        columns = ", ".join(
            f"anyIf(toNullable({column}), {key} = {self.parameter(value, 'String')}) AS {name}"
            for name, (column, value) in wanted.items()
        )
        values = self.parameter(sorted({value for _, value in wanted.values()}), "Array(String)")
        return (
            f"LEFT JOIN (SELECT run_id, {columns} FROM {view} WHERE {key} IN {values} GROUP BY run_id) AS {alias} "
            f"ON {alias}.run_id = r.run_id"
        )

    def _compare(self, condition: Compare) -> str:
        reference, value = condition.reference, condition.value
        number = _number(condition)
        match reference:
            case Field(name):
                kind = FIELDS[name]
            case Metric():
                kind = "number"
            case Param() | Tag():
                return self._compare_open(condition, number)
        if kind == "text":
            return self._text(condition, self.expression(reference))
        form = self._form(condition)
        if kind == "number":
            if number is None:
                raise UserError(f"{label(reference)} is a number and cannot be compared with {value!r}")
            return form.format(self.expression(reference), self.parameter(number, "Float64"))
        if kind == "bool":
            if value.lower() not in ("true", "false"):
                raise UserError(f"{label(reference)} is true or false, not {value!r}")
            return form.format(self.expression(reference), self.parameter(value.lower() == "true", "Bool"))
        moment = self.parameter(_microseconds(label(reference), value), "Int64")
        return form.format(f"toUnixTimestamp64Micro({self.expression(reference)})", moment)

    def _compare_open(self, condition: Compare, number: float | None) -> str:
        """Params and tags have the type that the run gave them."""
        reference = condition.reference
        if condition.operator in ("~", "!~") or number is None:
            return self._text(condition, self.expression(reference, "text"))
        value = self.parameter(number, "Float64")
        as_number = _FORMS[condition.operator].format(self.expression(reference, "number"), value)
        if condition.operator not in ("=", "!="):
            return as_number
        # seed = 007 also finds the text 007.
        return f"ifNull({as_number}, {self._text(condition, self.expression(reference, 'text'))})"

    def _text(self, condition: Compare, expression: str) -> str:
        return _FORMS[condition.operator].format(expression, self.parameter(condition.value, "String"))

    def _form(self, condition: Compare) -> str:
        if condition.operator in ("~", "!~"):
            raise UserError(f"{label(condition.reference)} is no text, so {condition.operator} does not apply to it")
        return _FORMS[condition.operator]


def _number(condition: Compare) -> float | None:
    if condition.quoted or not _NUMBER.fullmatch(condition.value):
        return None
    number = float(condition.value)
    return number if math.isfinite(number) else None


def _microseconds(name: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"{name} is a time; write it as 2026-01-31 or '2026-01-31 12:00', not {text!r}") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1_000_000)
