import io
import math
import re
from uuid import UUID

import pytest
from rich.cells import cell_len
from rich.console import Console

from runstream_analytics.queries.series import Line
from runstream_analytics.render.axes import LINEAR, LOGARITHMIC, SECONDS, STEPS, Across, Scale
from runstream_analytics.render.canvas import ChartSize
from runstream_analytics.render.chart import MAX_LINES, chart
from runstream_analytics.render.strokes import mark, outline


def line(last: list[float | None], *, name: str = "run", nonfinite_at: float | None = None, number: int = 1) -> Line:
    values = tuple(last)
    x = tuple(float(step) for step in range(len(values)))
    kind = "" if nonfinite_at is None else "NaN"
    return Line("train/loss", UUID(int=number), name, 0, x, values, values, values, nonfinite_at, kind)


def drawn(
    lines: list[Line], *, width: int = 60, color: bool = False, scale: Scale = LINEAR, across: Across = STEPS
) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=color, color_system="truecolor" if color else None)
    for part in chart(lines, across, ChartSize(width, 12), color=color, scale=scale):
        console.print(part)
    return out.getvalue()


def test_a_bucket_is_drawn_through_both_extremes_to_its_last_value() -> None:
    spike = Line("m", UUID(int=1), "", 0, (0.0, 16.0), (1.0, 2.0), (0.0, 2.0), (9.0, 2.0), None, "")
    assert outline(spike) == [[(0.0, 9.0), (0.0, 0.0), (0.0, 1.0), (16.0, 2.0)]]


def test_a_bucket_without_finite_values_breaks_the_line() -> None:
    assert outline(line([1.0, None, 3.0])) == [[(0.0, 1.0)], [(2.0, 3.0)]]


def test_the_cross_stands_where_the_line_was_before() -> None:
    assert mark(line([1.0, 4.0, None], nonfinite_at=2.0), floor=0.0) == (2.0, 4.0)
    assert mark(line([None, None], nonfinite_at=0.0), floor=0.5) == (0.0, 0.5)
    assert mark(line([1.0]), floor=0.0) is None


@pytest.mark.parametrize(
    "lines",
    [
        [line([0.5])],
        [line([None, None], nonfinite_at=0.0)],
        [line([3.0] * 50)],
        [line([1e308, -1e308])],
        [line([5e-324, 0.0, -1.0])],
        [line([0.0])],
        [line([math.sin(step) for step in range(1000)], name="x" * 500)],
        [line([0.1, 0.2], name="学習率" * 100)],
        [line([1.0, 2.0], name='"quoted" 🦊 \x1b[31m', number=n) for n in range(MAX_LINES + 5)],
    ],
    ids=["one point", "all NaN", "constant", "huge", "tiny", "zero", "long name", "wide name", "many"],
)
@pytest.mark.parametrize("width", [20, 60, 200])
@pytest.mark.parametrize(("scale", "across"), [(LINEAR, STEPS), (LOGARITHMIC, SECONDS)], ids=["linear", "logarithmic"])
def test_any_lines_make_a_chart_that_fits(lines: list[Line], width: int, scale: Scale, across: Across) -> None:
    text = drawn(lines, width=max(width, 30), scale=scale, across=across)
    assert text.splitlines()[0] == "train/loss"
    assert all(cell_len(row) <= max(width, 30) for row in text.splitlines())
    assert "\x1b" not in text


def test_lines_without_colour_are_told_apart_by_letters() -> None:
    text = drawn([line([1.0, 1.0], name="low"), line([2.0, 2.0], name="high", number=2)])
    assert "AAAA" in text
    assert "BBBB" in text
    assert "A  low" in text


def test_equal_names_are_told_apart_by_the_end_of_the_id() -> None:
    text = drawn([line([1.0], name="twin", number=0xA1), line([2.0], name="twin", number=0xB2)])
    assert "twin 000000a1" in text
    assert "twin 000000b2" in text


def test_the_first_nan_is_marked_and_told() -> None:
    text = drawn([line([1.0, 2.0, None], nonfinite_at=2.0)])
    assert "× first NaN at step 2" in text
    assert text.count("×") == 2


def test_in_colour_the_lines_are_dots() -> None:
    assert any(0x2801 <= ord(character) <= 0x28FF for character in drawn([line([1.0, 2.0, 1.0])], color=True))


def test_a_logarithmic_axis_is_labelled_by_powers_of_ten_and_leaves_out_what_has_no_place() -> None:
    text = drawn([line([10.0**-step for step in range(7)] + [0.0, -1.0])], scale=LOGARITHMIC)
    assert all(label in text for label in ("1┤", "0.01┤", "1e-4┤", "1e-6┤"))
    assert "at or below 0 are not drawn" in text
    assert "not drawn" not in drawn([line([1.0, 2.0])], scale=LOGARITHMIC)


def test_a_bucket_that_the_scale_has_no_place_for_breaks_the_line() -> None:
    assert outline(line([1.0, 0.0, 100.0]), LOGARITHMIC) == [[(0.0, 0.0)], [(2.0, 2.0)]]
    below = Line("m", UUID(int=1), "", 0, (0.0,), (10.0,), (-5.0,), (10.0,), None, "")
    assert outline(below, LOGARITHMIC) == [[(0.0, 1.0)]]


def test_over_time_the_axis_is_in_a_unit_that_reads_well() -> None:
    values = (1.0, 2.0)
    text = drawn([Line("m", UUID(int=1), "", 0, (0.0, 36_000.0), values, values, values, 60.0, "NaN")], across=SECONDS)
    assert "hours since the run began" in text
    assert "first NaN at 1 min" in text


def test_more_lines_than_colours_are_told_apart_by_letters_in_colour_too() -> None:
    few = drawn([line([1.0, 2.0], name=f"run {n}", number=n) for n in range(7)], color=True)
    many = drawn([line([1.0, 2.0], name=f"run {n}", number=n) for n in range(8)], color=True)
    assert "━━" in few
    assert "━━" not in many
    assert "H  run 7" in re.sub(r"\x1b\[[0-9;]*m", "", many)
