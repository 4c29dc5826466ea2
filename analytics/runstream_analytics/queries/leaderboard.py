"""Runs as a table: chosen columns, filtered and sorted by anything that a run has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from runstream_analytics.errors import UserError
from runstream_analytics.filters import Filter
from runstream_analytics.queries.selection import Selection
from runstream_analytics.reader import Reader
from runstream_analytics.references import Metric, Param, Reference, Tag, best_first_descends, label


@dataclass(frozen=True)
class Leaderboard:
    """Rows in order."""

    columns: tuple[Reference, ...]
    ids: tuple[UUID, ...]
    rows: tuple[tuple[Any, ...], ...]
    """One value per column; None where a run does not have it."""
    total: int
    """How many runs match, shown or not."""
    suffix_length: int
    """So many last characters of the ids tell all runs of the store apart."""


def leaderboard(
    reader: Reader,
    columns: Sequence[Reference],
    where: Filter,
    *,
    sort: Reference | None = None,
    reverse: bool = False,
    limit: int | None = None,
) -> Leaderboard:
    """The runs that a filter lets through, newest first or by `sort`, best first (references.best_first_descends).

    Raises UserError for a value in the filter that fits nothing, and for a metric, param or tag that no run has.
    """
    selection = Selection()
    chosen = "".join(f", {selection.expression(column)} AS c{n}" for n, column in enumerate(columns))
    condition = selection.condition(where)
    order = _order(selection, sort, reverse)
    sql = (
        f"SELECT r.run_id, count() OVER () AS total{chosen}\n{selection.source()}\nWHERE {condition}\nORDER BY {order}"
    )
    if limit is not None:
        sql += f"\nLIMIT {selection.parameter(limit, 'UInt64')}"
    found = reader.rows(sql, selection.parameters)
    # A column with a value is known; asking about the others costs as much as the query itself.
    doubtful = [column for n, column in enumerate(columns) if all(row[2 + n] is None for row in found)]
    check_known(reader, doubtful + ([sort] if sort is not None and sort not in columns else []))
    return Leaderboard(
        columns=tuple(columns),
        ids=tuple(row[0] for row in found),
        rows=tuple(
            tuple(_plain(column, value) for column, value in zip(columns, row[2:], strict=True)) for row in found
        ),
        total=found[0][1] if found else 0,
        suffix_length=suffix_length(reader),
    )


def suffix_length(reader: Reader) -> int:
    """How many last characters of the run ids, at least 6, tell all runs apart."""
    lengths = (6, 8, 10, 12)
    counts = ", ".join(f"uniqExact(right(toString(run_id), {length}))" for length in lengths)
    total, *distinct = reader.rows(f"SELECT count(), {counts} FROM runs")[0]
    return next((length for length, count in zip(lengths, distinct, strict=True) if count == total), 36)


def check_known(reader: Reader, references: Sequence[Reference]) -> None:
    """Raise UserError for a metric, param or tag that no run has: most likely a slip, answered with what is there."""
    for reference in references:
        match reference:
            case Metric(name):
                _check(reader, reference, "metric", "SELECT metric AS known FROM metric_summary", name)
            case Param(key):
                _check(reader, reference, "param", "SELECT key AS known FROM params", key)
            case Tag(key):
                _check(reader, reference, "tag", "SELECT key AS known FROM tags", key)


def _check(reader: Reader, reference: Reference, what: str, known: str, name: str) -> None:
    if reader.rows(f"SELECT 1 FROM ({known}) WHERE known = {{name:String}} LIMIT 1", {"name": name}):
        return
    if not reader.rows("SELECT 1 FROM runs LIMIT 1"):
        return
    near = [
        row[0]
        for row in reader.rows(
            f"SELECT known FROM ({known}) GROUP BY known "
            "ORDER BY NOT endsWith(known, concat('.', {name:String})), "
            "ngramDistanceCaseInsensitiveUTF8(known, {name:String}), known LIMIT 5",
            {"name": name},
        )
    ]
    message = f"no run has the {what} {name!r}"
    if isinstance(reference, Param) and reader.rows(
        "SELECT 1 FROM metric_summary WHERE metric = {name:String} LIMIT 1", {"name": name}
    ):
        raise UserError(f"{message}; a metric has that name: write {name}:last, {name}:min or {name}:max")
    raise UserError(f"{message}; there are: {', '.join(near)}" if near else f"{message}, and none has any {what}")


def _order(selection: Selection, sort: Reference | None, reverse: bool) -> str:
    newest = "r.started DESC, r.run_id DESC"
    if sort is None:
        return "r.started ASC, r.run_id ASC" if reverse else newest
    direction = "DESC" if best_first_descends(sort) != reverse else "ASC"
    if isinstance(sort, Param | Tag):
        number, text = selection.expression(sort, "number"), selection.expression(sort, "text")
        return f"{number} {direction} NULLS LAST, {text} {direction} NULLS LAST, {newest}"
    return f"{selection.expression(sort)} {direction} NULLS LAST, {newest}"


def _plain(column: Reference, value: Any) -> Any:
    if isinstance(column, Param) and value is not None:
        return orjson.loads(value)
    return value


def as_objects(board: Leaderboard) -> list[dict[str, Any]]:
    """The rows for a script: the full id, then one key per column."""
    keys = [label(column) for column in board.columns]
    return [
        {"run_id": str(run_id)} | dict(zip(keys, row, strict=True))
        for run_id, row in zip(board.ids, board.rows, strict=True)
    ]
