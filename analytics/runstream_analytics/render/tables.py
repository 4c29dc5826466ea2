"""The tables that all commands print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from runstream_analytics.render import text

STATE_STYLES: Final = {
    "running": "cyan",
    "finished": "green",
    "failed": "red",
    "killed": "yellow",
    "lost": "magenta",
    "unknown": "dim",
}


NARROW_TEXT: Final = 16
"""Terminal columns in which a name can still be read when it is folded."""


def plain_table() -> Table:
    """A table with a rule under its head and nothing else; long text is folded, never cut."""
    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)


def filled_table(
    columns: Sequence[tuple[str, Literal["left", "right"]]], rows: Sequence[Sequence[str | Text]]
) -> Table:
    """A plain table without the columns that are empty in every row."""
    kept = [number for number in range(len(columns)) if any(str(row[number]) for row in rows)]
    table = plain_table()
    for number in kept:
        heading, justify = columns[number]
        table.add_column(heading, justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*(row[number] for number in kept))
    return table


def facts(rows: Mapping[str, str | Text]) -> Table:
    """Names and values, one pair a line."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in rows.items():
        table.add_row(text.printable(key), value)
    return table


def fits(table: Table, width: int) -> bool:
    """Whether a terminal of `width` columns can show the table with nothing folded."""
    return width >= text.UNBOUNDED or _measured(table, width).maximum <= width


def fold_to_fit(table: Table, width: int) -> bool:
    """Fold long texts if a terminal of `width` columns asks for it; whether it can show the table then."""
    if fits(table, width) or _measured(table, width).minimum <= width:
        return True
    for column in table.columns:
        if not column.no_wrap:
            column.max_width = NARROW_TEXT
    return _measured(table, width).minimum <= width


def _measured(table: Table, width: int) -> Measurement:
    ruler = Console(width=10 * width)
    return Measurement.get(ruler, ruler.options, table)
