"""The table of `runstream ls`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from runstream_analytics.queries.leaderboard import Leaderboard
from runstream_analytics.references import FIELDS, Field, Metric, Param, Reference, Tag, label, parse_reference
from runstream_analytics.render import text
from runstream_analytics.render.tables import STATE_STYLES, facts, fits, fold_to_fit, plain_table


def narrowed(
    board: Leaderboard, expendable: Sequence[Reference], now: datetime, width: int, *, full_ids: bool
) -> Leaderboard:
    """Without the first of the expendable columns, as many as it takes to fit; all stay where that is not enough."""
    for count in range(len(expendable) + 1):
        kept = _without(board, expendable[:count])
        if fits(_table(kept, now, full_ids=full_ids), width):
            return kept
    return kept if fold_to_fit(_table(kept, now, full_ids=full_ids), width) else board


def leaderboard_view(board: Leaderboard, now: datetime, width: int, *, full_ids: bool) -> RenderableType:
    """One row per run, or one paragraph per run when the terminal has too few columns. Ids are never cut."""
    table = _table(board, now, full_ids=full_ids)
    if fold_to_fit(table, width):
        return table
    paragraphs = [
        Group(Text(name, "bold"), facts(dict(zip(_headings(board), cells, strict=True))))
        for name, cells in _lines(board, now, full_ids=full_ids)
    ]
    return Group(*paragraphs)


def _table(board: Leaderboard, now: datetime, *, full_ids: bool) -> Table:
    table = plain_table()
    table.add_column("id", no_wrap=True, style="bold")
    for column, heading in zip(board.columns, _headings(board), strict=True):
        table.add_column(
            heading, justify="right" if _is_number(column) else "left", no_wrap=not _is_text(column), overflow="fold"
        )
    for name, cells in _lines(board, now, full_ids=full_ids):
        table.add_row(name, *cells)
    return table


def _lines(board: Leaderboard, now: datetime, *, full_ids: bool) -> Iterator[tuple[str, list[Text]]]:
    """The id and the cells of each run."""
    length = 36 if full_ids else board.suffix_length
    for run_id, row in zip(board.ids, board.rows, strict=True):
        yield (
            text.id_suffix(run_id, length),
            [cell(column, value, now) for column, value in zip(board.columns, row, strict=True)],
        )


def _without(board: Leaderboard, columns: Sequence[Reference]) -> Leaderboard:
    kept = [number for number, column in enumerate(board.columns) if column not in columns]
    return replace(
        board,
        columns=tuple(board.columns[number] for number in kept),
        rows=tuple(tuple(row[number] for number in kept) for row in board.rows),
    )


def _headings(board: Leaderboard) -> list[str]:
    return [text.printable(_heading(column)) for column in board.columns]


def cell(column: Reference, value: Any, now: datetime) -> Text:
    """One value under its column."""
    match column:
        case Field("state"):
            return Text(str(value), STATE_STYLES.get(str(value), ""))
        case Field("duration"):
            return Text(text.duration(value))
        case Field("started" | "updated" | "ended"):
            return Text(text.ago(value, now))
        case _:
            return Text(text.value_text(value), "" if value is not None else "dim")


def _heading(column: Reference) -> str:
    """The label; a param's without its prefix where nothing else has that name."""
    return column.key if isinstance(column, Param) and parse_reference(column.key) == column else label(column)


def _is_number(column: Reference) -> bool:
    return isinstance(column, Metric) or (isinstance(column, Field) and FIELDS[column.name] == "number")


def _is_text(column: Reference) -> bool:
    """Whether it may be long and is folded then."""
    return isinstance(column, Param | Tag) or column in _LONG


_LONG: Final = (Field("name"), Field("experiment"), Field("error"), Field("branch"), Field("host"), Field("user"))
