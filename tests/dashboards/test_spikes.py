"""One odd value among ten million is drawn, however far a chart is zoomed."""

from collections.abc import Iterator
from uuid import UUID

import pytest
import spiked_run
from asking import asked, pointed_at, query_of
from drawing import sensible
from engine import Answer, Engine, opened
from spiked_run import DIP, DIP_AT, RUN, SPIKE, SPIKE_AT, STEPS, WIDE_RUN, WIDE_STEPS
from stores import made

from runstream_dashboards.ranks import MOST_EXTREMES

CHARTS = [
    ("Run", "$metric (trend)"),
    ("Compare", "$metric (trend)"),
    ("Compare", "$metric, logarithmic"),
    ("Compare", "$metric: A against B"),
    ("Training health", "Losses by step"),
    ("Training health", "Losses by time"),
    ("Ranks", "$metric by rank"),
    ("Ranks", "$metric over ranks"),
]
"""Panels that draw one metric of a run over its steps or its time."""

ZOOMS = {
    "whole": ("", ""),
    "a million": ("7000000", "8000000"),
    "ten thousand": ("7650000", "7660000"),
    "two thousand": ("7653400", "7655400"),
    "from the spike to the dip": (str(SPIKE_AT), str(DIP_AT)),
}


@pytest.fixture(scope="module")
def spiked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with opened(made(tmp_path_factory.mktemp("spiked"), spiked_run.fill)) as engine:
        assert engine.ask("SELECT count() FROM points WHERE rank = 0").rows == [[STEPS + WIDE_STEPS]]
        yield engine


def chart(engine: Engine, page: str, title: str, run: UUID = RUN, **chosen: str) -> Answer:
    query = query_of(page, title)
    answer = asked(query, engine, **pointed_at(query, str(run), spiked_run.LOSS), **chosen)
    sensible(query, answer)
    return answer


def drawn(answer: Answer) -> set[object]:
    """All that lies on the y axis: what follows x and labels."""
    return {value for row in answer.rows for value in row[1:] if not isinstance(value, str)}


@pytest.mark.parametrize("zoom", ZOOMS.values(), ids=ZOOMS)
@pytest.mark.parametrize(("page", "title"), CHARTS, ids=str)
def test_a_spike_and_a_dip_of_one_step_are_drawn(page: str, title: str, zoom: tuple[str, str], spiked: Engine) -> None:
    for points in ("250", "500", "2000"):
        answer = chart(spiked, page, title, step_min=zoom[0], step_max=zoom[1], points=points)
        assert {SPIKE, DIP} <= drawn(answer), f"{points} points"


@pytest.mark.parametrize("axis", ["step", "seconds"])
@pytest.mark.parametrize("half", ["0", "10000"])
def test_neither_smoothing_nor_the_x_axis_hides_them(axis: str, half: str, spiked: Engine) -> None:
    assert {SPIKE, DIP} <= drawn(chart(spiked, "Compare", "$metric (trend)", axis=axis, half=half))


def test_a_spike_lies_in_the_bucket_of_its_step(spiked: Engine) -> None:
    for page, title in CHARTS:
        if title == "Losses by time":
            continue
        answer = chart(spiked, page, title)
        steps = sorted({row[0] for row in answer.rows})
        (at,) = {row[0] for row in answer.rows if SPIKE in row}
        assert at == max(step for step in steps if step <= SPIKE_AT)


def test_extremes_of_as_many_ranks_as_have_them_are_drawn_to_the_end(spiked: Engine) -> None:
    answer = chart(spiked, "Ranks", "$metric by rank", WIDE_RUN, points="2000")
    lines: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for step, kind, name, value in answer.rows:
        lines.setdefault((name, kind), []).append((step, value))
    assert len(lines) == 3 * MOST_EXTREMES
    last = max(step for step, *_ in answer.rows)
    assert last > WIDE_STEPS - 32 and all(line[-1][0] == last for line in lines.values())
    assert {value for _, value in lines["rank 3", "least"]} == {3.0}
    assert {value for _, value in lines["rank 3", "greatest"]} == {4.0}
