"""Strokes and crosses as text, drawn by plotext."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.text import Text

from runstream_analytics.render.axes import Across, Scale, Ticks, spread
from runstream_analytics.render.strokes import Point

COLORS: Final = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
)
"""Okabe and Ito's palette, told apart by people with any colour vision."""

LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""What draws the lines where there is no colour, or where there are more lines than colours."""

NONFINITE_MARK: Final = "×"

MIN_WIDTH, MIN_HEIGHT = 30, 8
"""Terminal cells below which a chart shows nothing but its axes."""

_TICK_COLUMNS, _TICK_ROWS = 10, 3
"""Terminal cells for a label and the space that keeps it apart from the next."""


@dataclass(frozen=True)
class ChartSize:
    """Terminal cells."""

    width: int
    height: int


@dataclass(frozen=True)
class Drawing:
    """One line on the canvas."""

    strokes: Sequence[Sequence[Point]]
    cross: Point | None


def swatch(number: int, color: bool) -> Text:
    """What stands for a line in the legend."""
    return Text("━━", "rgb({},{},{})".format(*COLORS[number])) if color else Text(LETTERS[number])


def canvas(drawings: Sequence[Drawing], across: Across, scale: Scale, size: ChartSize, *, color: bool) -> Text:
    """The lines with their axes."""
    import plotext

    width, height = max(size.width, MIN_WIDTH), max(size.height, MIN_HEIGHT)
    figure = plotext.figure
    # Our size counts, also where there is no terminal.
    plotext.terminal.limit(False, False)
    figure.clear()
    figure.plot_size(width, height)
    figure.theme("colorless")
    figure.canvas("default")
    points = [point for drawing in drawings for stroke in drawing.strokes for point in stroke]
    points += [drawing.cross for drawing in drawings if drawing.cross is not None]
    low, high = spread(*_limits([y for _, y in points]))
    left, right = _limits([x for x, _ in points])
    right = right if right > left else left + 1.0
    _rule(figure.ruler("y"), low, high, scale.ticks(low, high, height // _TICK_ROWS))
    ticks, label = across.ticks(left, right, width // _TICK_COLUMNS)
    _rule(figure.ruler("x"), left, right, ticks)
    figure.label(label)
    for number, drawing in enumerate(drawings):
        for stroke in drawing.strokes:
            marker = _marker(plotext, number, color)
            signal = figure.signal([x for x, _ in stroke], [y for _, y in stroke], marker=marker)
            figure.draw(signal.lines())
    for number, drawing in enumerate(drawings):
        if drawing.cross is not None:
            x, y = drawing.cross
            figure.draw(figure.signal([x], [y], marker=_cross(plotext, number, color)))
    drawn = str(figure.build())
    return Text.from_ansi(drawn) if color else Text(plotext.uncolorize(drawn))


def _limits(values: Sequence[float]) -> tuple[float, float]:
    return min(values, default=0.0), max(values, default=0.0)


def _rule(ruler: Any, low: float, high: float, ticks: Ticks) -> None:
    ruler.lim(low, high)
    ruler.ticks(list(ticks.positions), list(ticks.labels))


def _marker(plotext: Any, number: int, color: bool) -> Any:
    return plotext.marker("braille", COLORS[number]) if color else LETTERS[number]


def _cross(plotext: Any, number: int, color: bool) -> Any:
    return plotext.marker(NONFINITE_MARK, COLORS[number]) if color else NONFINITE_MARK
