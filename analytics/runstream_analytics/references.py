"""Names of what a run has: its fields, metrics, params and tags, written the same in filters, sorting and columns.

    state              a field of the run (FIELDS)
    val/accuracy:max   an aggregate of a metric (AGGREGATES)
    val/accuracy       a name with a slash alone: the metric's last value
    config.lr          a param; a bare `lr` is a param too, when no field has that name
    tag.team           a tag

A metric without a slash in its name needs the aggregate: loss:last.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Kind = Literal["text", "number", "time", "bool"]

FIELDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "id": "text",
        "name": "text",
        "experiment": "text",
        "state": "text",
        "user": "text",
        "host": "text",
        "commit": "text",
        "branch": "text",
        "dirty": "bool",
        "error": "text",
        "started": "time",
        "updated": "time",
        "ended": "time",
        "duration": "number",
        "step": "number",
        "world_size": "number",
        "ranks": "number",
        "attempts": "number",
    }
)
"""Fields of a run, with how they compare."""

AGGREGATES: Final = ("last", "min", "max", "last_step", "min_step", "max_step", "first_step", "first_nonfinite_step")
"""What `metric:aggregate` can end with: columns of the view metric_summary."""


BACKQUOTED: Final = r"(?:[^`\\]|\\.)*"
"""Regular expression of what stands between backquotes."""


class BadReference(ValueError):
    """The text names nothing; the message says what would."""


@dataclass(frozen=True)
class Field:
    """A field of the run, one of FIELDS."""

    name: str


@dataclass(frozen=True)
class Metric:
    """An aggregate of a metric."""

    name: str
    aggregate: str


@dataclass(frozen=True)
class Param:
    """A param by its flattened key."""

    key: str


@dataclass(frozen=True)
class Tag:
    """A tag by its key."""

    key: str


Reference = Field | Metric | Param | Tag


def parse_reference(text: str) -> Reference:
    """Read one name. Raises BadReference when nothing is left of it."""
    name = text.strip()
    metric, colon, aggregate = name.rpartition(":")
    if colon and aggregate in AGGREGATES and metric:
        return Metric(metric, aggregate)
    if colon and metric and "/" in metric and "/" not in aggregate and aggregate.isidentifier():
        raise BadReference(f"{name!r}: a metric has no {aggregate!r}; use {', '.join(AGGREGATES)}")
    for prefix, kind in (("config.", Param), ("tag.", Tag)):
        if name.startswith(prefix) and name != prefix:
            return kind(name.removeprefix(prefix))
    if name in FIELDS:
        return Field(name)
    if "/" in name:
        return Metric(name, "last")
    if not name:
        raise BadReference("a name is missing; use a run's field, metric:max, config.key or tag.key")
    return Param(name)


def parse_references(text: str) -> list[Reference]:
    """Read a comma-separated list; a name with a comma stands between backquotes. Raises BadReference."""
    parts = re.findall(rf"\s*`({BACKQUOTED})`\s*|([^,]+)", text, re.DOTALL)
    return [parse_reference(unescaped(quoted) or plain) for quoted, plain in parts if (quoted or plain).strip()]


def unescaped(quoted: str) -> str:
    """What stood between quotes of any kind; a backslash means the character after it."""
    return re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)


def label(reference: Reference) -> str:
    """The name as a column's heading and as a key in JSON; `parse_reference` reads it back."""
    match reference:
        case Field(name):
            return name
        case Metric(name, aggregate):
            return f"{name}:{aggregate}"
        case Param(key):
            return f"config.{key}"
        case Tag(key):
            return f"tag.{key}"


def best_first_descends(reference: Reference) -> bool:
    """Whether people want the largest first: yes for numbers and times, no for a metric's minimum and for text."""
    match reference:
        case Metric(_, aggregate):
            return not aggregate.startswith("min")
        case Field(name):
            return FIELDS[name] != "text"
        case Param() | Tag():
            return False
