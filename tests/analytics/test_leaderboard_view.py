import io
from datetime import UTC, datetime
from uuid import UUID

import pytest
from rich.console import Console

from runstream_analytics.queries.leaderboard import Leaderboard
from runstream_analytics.references import Field, Metric, Param
from runstream_analytics.render.leaderboard import leaderboard_view, narrowed

RUN = UUID("01935000-0000-7000-8000-00000a111111")


NOW = datetime(2026, 1, 31, tzinfo=UTC)
COLUMNS = (Field("name"), Field("state"), Metric("val/accuracy", "max"), Param("optimizer.lr"), Param("name"))
ROW = ("a-name-of-thirty-characters-xx", "finished", 0.9375, 0.01, None)
BOARD = Leaderboard(COLUMNS, (RUN,), (ROW,), total=1, suffix_length=8)


def drawn(width: int) -> str:
    out = io.StringIO()
    view = leaderboard_view(BOARD, NOW, width, full_ids=False)
    Console(file=out, width=width, markup=False).print(view)
    return out.getvalue()


def test_a_wide_terminal_shows_one_line_per_run() -> None:
    lines = drawn(120).splitlines()
    assert lines[0].split() == ["id", "name", "state", "val/accuracy:max", "optimizer.lr", "config.name"]
    assert lines[2].split() == ["0a111111", "a-name-of-thirty-characters-xx", "finished", "0.9375", "0.01", "–"]


def test_a_narrower_one_folds_names_and_keeps_numbers_and_ids_whole() -> None:
    text = drawn(85)
    assert len(text.splitlines()) == 4
    assert "0a111111" in text
    assert "0.9375" in text


@pytest.mark.parametrize("width", [40, 60])
def test_a_narrow_one_shows_a_paragraph_per_run(width: int) -> None:
    text = drawn(width)
    assert text.splitlines()[0].strip() == "0a111111"
    assert "finished" in text


@pytest.mark.parametrize(("width", "left_out"), [(120, 0), (92, 1), (80, 2), (75, 2), (40, 0)])
def test_columns_that_nobody_asked_for_make_room_as_far_as_that_helps(width: int, left_out: int) -> None:
    expendable = (Param("name"), Field("state"))
    kept = narrowed(BOARD, expendable, NOW, width, full_ids=False)
    assert set(BOARD.columns) - set(kept.columns) == set(expendable[:left_out])
    assert all(len(row) == len(kept.columns) for row in kept.rows)
