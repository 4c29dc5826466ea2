"""From the buckets of a line to what is drawn: strokes and a cross."""

from __future__ import annotations

from runstream_analytics.queries.series import Line
from runstream_analytics.render.axes import LINEAR, Scale

Point = tuple[float, float]


def outline(line: Line, scale: Scale = LINEAR) -> list[list[Point]]:
    """The strokes of a line, each bucket from its minimum to its maximum and on to its last value.

    A bucket without finite values breaks the line, and so does one that the scale has no place for.
    """
    strokes: list[list[Point]] = [[]]
    for x, last, low, high in zip(line.x, line.last, line.low, line.high, strict=True):
        if last is None or low is None or high is None:
            strokes.append([])
            continue
        # Towards the last value, so that the stroke leaves the bucket where the series does.
        there = (low, high) if last - low > high - last else (high, low)
        heights = [height for y in (*there, last) if (height := scale.place(y)) is not None]
        if not heights:
            strokes.append([])
        strokes[-1].extend((x, height) for n, height in enumerate(heights) if n == 0 or height != heights[n - 1])
    return [stroke for stroke in strokes if stroke]


def mark(line: Line, floor: float, scale: Scale = LINEAR) -> Point | None:
    """Where the cross of a line stands: at its first non-finite value, as high as the line was just before."""
    if line.nonfinite_at is None:
        return None
    before = [y for x, y in zip(line.x, line.last, strict=True) if y is not None and x <= line.nonfinite_at]
    height = scale.place(before[-1]) if before else None
    return line.nonfinite_at, floor if height is None else height


def has_no_place(line: Line, scale: Scale) -> bool:
    """Whether some values of the line cannot be drawn on this scale."""
    return any(low is not None and scale.place(low) is None for low in line.low)
