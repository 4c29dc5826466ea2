from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstream_analytics.render import text

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@given(st.text())
def test_nothing_printed_can_steer_a_terminal(value: str) -> None:
    assert not any(ord(character) < 32 or ord(character) == 127 for character in text.printable(value))


def test_what_is_shortened_fits_into_so_many_cells_however_wide_its_characters_are() -> None:
    assert text.shortened("学習率を試す", 8) == "学習率…"
    assert text.shortened("学習率", 6) == "学習率"
    assert text.shortened("abcdef", 4) == "abc…"


def test_one_is_not_many() -> None:
    assert [text.counted(count, "run") for count in (0, 1, 2000)] == ["0 runs", "1 run", "2\u202f000 runs"]


@pytest.mark.parametrize("character", ["\x1b", "\x9b", "\n", "\r", "\u202e", "\u2066", "\u2028", "\x7f", "\ud800"])
def test_what_could_steer_a_terminal_or_turn_a_line_round_is_written_as_an_escape(character: str) -> None:
    assert text.printable(f"a{character}b").isascii()


def test_emoji_stay_whole() -> None:
    assert text.printable("👩‍🔬 ❤️") == "👩‍🔬 ❤️"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (1234567, "1\u202f234\u202f567"), (0.1, "0.1"), (1 / 3, "0.33333"), (float("nan"), "NaN")],
)
def test_numbers_read_well(value: float | None, shown: str) -> None:
    assert text.number(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (0.04, "0.04 s"), (59.9, "59.9 s"), (250, "4 min 10 s"), (7200, "2 h"), (90_000, "1 d 1 h")],
)
def test_durations_have_two_units_at_most(seconds: float, shown: str) -> None:
    assert text.duration(seconds) == shown


@pytest.mark.parametrize(
    ("passed", "shown"),
    [
        (timedelta(seconds=5), "just now"),
        (timedelta(minutes=5, seconds=5), "5 min ago"),
        (timedelta(days=30), "2026-01-01 12:00"),
        (timedelta(seconds=-5), "2026-01-31 12:00"),
    ],
)
def test_moments_are_told_from_now_and_never_in_the_future(passed: timedelta, shown: str) -> None:
    assert text.ago((NOW - passed).replace(tzinfo=None), NOW) == shown
