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


def plain_table() -> Table:
    """A table with a rule under its head and nothing else; long text is folded, never cut."""
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)


def facts(rows: Mapping[str, str | Text]) -> Table:
    """Names and values, one pair a line."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in rows.items():
        table.add_row(text.printable(key), value)
    return table


def fitting(table: Table, otherwise: RenderableType, width: int) -> RenderableType:
    """The table if a terminal of `width` columns can show it without breaking words, else the other form."""
    ruler = Console(width=10 * width)
    return table if Measurement.get(ruler, ruler.options, table).minimum <= width else otherwise
