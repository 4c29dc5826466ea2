import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runstream_analytics.render.axes import LOGARITHMIC, SECONDS, STEPS, log_ticks, round_ticks, spread

numbers = st.floats(-1e300, 1e300)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 0.3, ["0.0", "0.1", "0.2", "0.3"]),
        (-0.1, 0.2, ["-0.1", "0.0", "0.1", "0.2"]),
        (0.9999, 1.0001, ["0.99990", "0.99995", "1.00000", "1.00005", "1.00010"]),
        (0, 239, ["0", "50", "100", "150", "200"]),
        (0, 25e6, ["0", "5M", "10M", "15M", "20M", "25M"]),
        (2e-7, 6e-7, ["2e-7", "3e-7", "4e-7", "5e-7", "6e-7"]),
    ],
)
def test_ticks_are_round_numbers_with_the_digits_that_tell_them_apart(
    low: float, high: float, labels: list[str]
) -> None:
    assert list(round_ticks(low, high, 6).labels) == labels


@given(numbers, numbers, st.integers(2, 20))
@example(0.0, 5e-324, 5)
@example(1.0, 1.0 + 2**-52, 5)
@example(-1e300, 1e300, 5)
def test_ticks_lie_within_the_axis_and_are_never_too_many(one: float, other: float, most: int) -> None:
    low, high = spread(*sorted((one, other)))
    ticks = round_ticks(low, high, most)
    slack = 1e-6 * (high - low)
    assert len(ticks.positions) <= most
    assert all(low - slack <= position <= high + slack for position in ticks.positions)
    assert len(set(ticks.labels)) == len(ticks.positions)


@given(numbers, numbers, st.integers(3, 20))
def test_an_axis_has_at_least_one_tick(one: float, other: float, most: int) -> None:
    assert round_ticks(*spread(*sorted((one, other))), most).positions


@given(st.floats(1e-200, 1e200), st.floats(1e-200, 1e200), st.integers(3, 10))
def test_ticks_of_a_logarithmic_axis_read_as_what_they_mark(one: float, other: float, most: int) -> None:
    low, high = sorted(height for value in (one, other) if (height := LOGARITHMIC.place(value)) is not None)
    ticks = log_ticks(*spread(low, high), most)
    assert len(ticks.positions) <= most
    for position, label in zip(ticks.positions, ticks.labels, strict=True):
        assert math.log10(float(label)) == pytest.approx(position, abs=0.01)


def test_steps_are_whole_and_time_has_a_unit() -> None:
    assert STEPS.ticks(0, 3, 20)[0].labels == ("0", "1", "2", "3")
    assert STEPS.tell(1240.0) == "step 1\u202f240"
    assert SECONDS.ticks(0, 7200, 5)[1] == "minutes since the run began"
    assert SECONDS.ticks(0, 1e6, 5)[1] == "days since the run began"
    assert SECONDS.tell(250.0) == "4 min 10 s"
