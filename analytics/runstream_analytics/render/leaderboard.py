"""The table of `runstream ls`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from runstream_analytics.queries.leaderboard import Leaderboard
from runstream_analytics.references import FIELDS, Field, Metric, Param, Reference, Tag, label, parse_reference
from runstream_analytics.render import text
from runstream_analytics.render.tables import STATE_STYLES, facts, fitting, plain_table


def leaderboard_view(board: Leaderboard, now: datetime, width: int, *, full_ids: bool) -> RenderableType:
    """One row per run, or one paragraph per run when the terminal has too few columns. Ids are never cut."""
    length = 36 if full_ids else board.suffix_length
    headings = [text.printable(_heading(column)) for column in board.columns]
    table = plain_table()
    table.add_column("id", no_wrap=True, style="bold")
    for column, heading in zip(board.columns, headings, strict=True):
        table.add_column(
            heading, justify="right" if _is_number(column) else "left", no_wrap=not _is_text(column), overflow="fold"
        )
    paragraphs = []
    for run_id, row in zip(board.ids, board.rows, strict=True):
        name = text.id_suffix(run_id, length)
        cells = [cell(column, value, now) for column, value in zip(board.columns, row, strict=True)]
        table.add_row(name, *cells)
        paragraphs.append(Group(Text(name, "bold"), facts(dict(zip(headings, cells, strict=True)))))
    return fitting(table, Group(*paragraphs), width)


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
