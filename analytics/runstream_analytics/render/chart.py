"""Lines in a terminal, drawn by plotext."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from runstream_analytics.queries.series import Line
from runstream_analytics.render import text

COLORS: Final = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
)
"""Okabe and Ito's palette, told apart by people with any colour vision; it begins again after seven lines."""

LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""What draws the lines where there is no colour; MAX_LINES follows from it."""

MAX_LINES: Final = len(LETTERS)

NONFINITE_MARK: Final = "×"

MIN_WIDTH, MIN_HEIGHT = 30, 8
"""Terminal cells below which a chart shows nothing but its axes."""

_NAME_WIDTH: Final = 48

_HIGHEST: Final = 4e307
"""Values beyond are drawn here: the distance between two doubles must itself be one. The legend has the true value."""


@dataclass(frozen=True)
class ChartSize:
    """Terminal cells."""

    width: int
    height: int


def chart(lines: Sequence[Line], x_label: str, size: ChartSize, *, color: bool) -> Iterator[RenderableType]:
    """A chart of one metric and its legend; at most MAX_LINES lines.

    Each bucket is drawn from its minimum to its maximum and on to its last value, so that no extremum is lost. Where
    the first NaN or infinity of a line is, stands a cross.
    """
    shown = lines[:MAX_LINES]
    yield Text(text.printable(shown[0].metric), "bold")
    yield _canvas(shown, x_label, size, color)
    yield _legend(shown, x_label, color)


def outline(line: Line) -> list[list[tuple[float, float]]]:
    """The strokes of a line: a bucket without finite values breaks it."""
    strokes: list[list[tuple[float, float]]] = [[]]
    for x, last, low, high in zip(line.x, line.last, line.low, line.high, strict=True):
        if last is None or low is None or high is None:
            if strokes[-1]:
                strokes.append([])
            continue
        # Towards the last value, so that the stroke leaves the bucket where the series does.
        there = (low, high) if last - low > high - last else (high, low)
        points = [(x, _drawable(y)) for y in (*there, last)]
        strokes[-1].extend(point for n, point in enumerate(points) if n == 0 or point != points[n - 1])
    return [stroke for stroke in strokes if stroke]


def mark(line: Line, floor: float) -> tuple[float, float] | None:
    """Where the cross of a line stands: at its first non-finite value, as high as the line was just before."""
    if line.nonfinite_at is None:
        return None
    before = [y for x, y in zip(line.x, line.last, strict=True) if y is not None and x <= line.nonfinite_at]
    return line.nonfinite_at, _drawable(before[-1] if before else floor)


def _drawable(y: float) -> float:
    return min(max(y, -_HIGHEST), _HIGHEST)


def _canvas(lines: Sequence[Line], x_label: str, size: ChartSize, color: bool) -> Text:
    import plotext

    figure = plotext.figure
    # Our size counts, also where there is no terminal.
    plotext.terminal.limit(False, False)
    figure.clear()
    figure.plot_size(max(size.width, MIN_WIDTH), max(size.height, MIN_HEIGHT))
    figure.theme("colorless")
    figure.canvas("default")
    figure.label(x_label)
    floor = min((y for line in lines for y in line.low if y is not None), default=0.0)
    for number, line in enumerate(lines):
        for stroke in outline(line):
            marker = _marker(plotext, number, color)
            signal = figure.signal([x for x, _ in stroke], [y for _, y in stroke], marker=marker)
            figure.draw(signal.lines())
    for number, line in enumerate(lines):
        at = mark(line, floor)
        if at is not None:
            figure.draw(figure.signal([at[0]], [at[1]], marker=_cross(plotext, number, color)))
    drawn = str(figure.build())
    return Text.from_ansi(drawn) if color else Text(plotext.uncolorize(drawn))


def _marker(plotext: Any, number: int, color: bool) -> Any:
    return plotext.marker("braille", COLORS[number % len(COLORS)]) if color else LETTERS[number]


def _cross(plotext: Any, number: int, color: bool) -> Any:
    return plotext.marker(NONFINITE_MARK, COLORS[number % len(COLORS)]) if color else NONFINITE_MARK


def _legend(lines: Sequence[Line], x_label: str, color: bool) -> Table:
    names = [line.name for line in lines]
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for number, line in enumerate(lines):
        name = (
            line.name if line.name and names.count(line.name) == 1 else f"{line.name} {text.id_suffix(line.run_id, 8)}"
        )
        red, green, blue = COLORS[number % len(COLORS)]
        swatch = Text("━━", f"rgb({red},{green},{blue})") if color else Text(LETTERS[number])
        last = next((value for value in reversed(line.last) if value is not None), None)
        cross = ""
        if line.nonfinite_at is not None:
            where = text.number(int(line.nonfinite_at)) if x_label == "step" else text.duration(line.nonfinite_at)
            cross = f"{NONFINITE_MARK} first {line.nonfinite} at {'step ' if x_label == 'step' else ''}{where}"
        table.add_row(swatch, text.shortened(text.printable(name), _NAME_WIDTH), text.number(last), Text(cross, "red"))
    return table
