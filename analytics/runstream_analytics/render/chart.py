"""A chart of one metric in a terminal: its name, the lines, and the legend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from runstream_analytics.queries.series import Line
from runstream_analytics.render import text
from runstream_analytics.render.axes import LINEAR, Across, Scale
from runstream_analytics.render.canvas import COLORS, LETTERS, NONFINITE_MARK, ChartSize, Drawing, canvas, swatch
from runstream_analytics.render.strokes import has_no_place, mark, outline

MAX_LINES: Final = len(LETTERS)

_NAME_WIDTH: Final = 48


def chart(
    lines: Sequence[Line], across: Across, size: ChartSize, *, color: bool, scale: Scale = LINEAR
) -> Iterator[RenderableType]:
    """A chart of one metric and its legend; at most MAX_LINES lines.

    Each bucket is drawn from its minimum to its maximum and on to its last value, so that no extremum is lost. Where
    the first NaN or infinity of a line is, stands a cross.
    """
    shown = lines[:MAX_LINES]
    color = color and len(shown) <= len(COLORS)
    strokes = [outline(line, scale) for line in shown]
    floor = min((y for line in strokes for stroke in line for _, y in stroke), default=0.0)
    crosses = [mark(line, floor, scale) for line in shown]
    yield Text(text.printable(shown[0].metric), "bold")
    yield canvas([Drawing(*both) for both in zip(strokes, crosses, strict=True)], across, scale, size, color=color)
    yield _legend(shown, across, color)
    if any(has_no_place(line, scale) for line in shown):
        yield Text("values at or below 0 are not drawn: a logarithmic axis has no place for them", "dim")


def _legend(lines: Sequence[Line], across: Across, color: bool) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold", style="red")
    table.add_row("", "run", "last", "", style="dim")
    counts = Counter(line.name for line in lines)
    for number, line in enumerate(lines):
        last = next((value for value in reversed(line.last) if value is not None), None)
        table.add_row(swatch(number, color), _name(line, counts), text.number(last), _first_nonfinite(line, across))
    return table


def _name(line: Line, counts: Counter[str]) -> str:
    name = text.shortened(text.printable(line.name), _NAME_WIDTH)
    if line.name and counts[line.name] == 1:
        return name
    return f"{name} {text.id_suffix(line.run_id, text.SHORT_ID)}".strip()


def _first_nonfinite(line: Line, across: Across) -> str:
    if line.nonfinite_at is None:
        return ""
    return f"{NONFINITE_MARK} first {line.nonfinite} at {across.tell(line.nonfinite_at)}"
