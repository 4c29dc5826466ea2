"""The tables that all commands print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rich import box
from rich.console import Console, RenderableType
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


def facts(rows: Mapping[str, str | Text]) -> Table:
    """Names and values, one pair a line."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in rows.items():
        table.add_row(text.printable(key), value)
    return table


def fitting(table: Table, otherwise: RenderableType, width: int) -> RenderableType:
    """The table if a terminal of `width` columns can show it, long texts folded if they must; else the other form."""
    if _least_width(table, width) > width:
        for column in table.columns:
            if not column.no_wrap:
                column.max_width = NARROW_TEXT
    return table if _least_width(table, width) <= width else otherwise


def _least_width(table: Table, width: int) -> int:
    ruler = Console(width=10 * width)
    return Measurement.get(ruler, ruler.options, table).minimum
