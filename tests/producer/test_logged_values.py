"""Whatever is given to `log`: what is a point is stored, what is none is counted, and no neighbour is lost."""

import decimal
import fractions
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from event_files import last_status, points
from hypothesis import given
from hypothesis import strategies as st
from runs import start

from runstream.values import clean_metrics


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no text")


BAD_VALUES = [
    *("text", None, 1j, object(), [1.0, 2.0], np.zeros(3), b"1", {"nested": 1}, Unprintable()),
    *(np.complex128(1 + 2j), np.complex64(1), np.array(["1.5"]), np.array([]), np.datetime64("2026-01-01")),
]


@pytest.mark.parametrize("value", BAD_VALUES, ids=[type(value).__name__ for value in BAD_VALUES])
def test_a_value_that_is_no_number_is_dropped_counted_and_said_once_beside_its_neighbours(
    tmp_path: Path, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with start(tmp_path) as run:
        for step in range(3):
            run.log({"bad": value, "good": 1.0}, step)
    assert points(tmp_path) == {"good": [(0, 1.0), (1, 1.0), (2, 1.0)]}
    assert last_status(tmp_path)["dropped"] == {"value": 3}
    assert last_status(tmp_path)["logged"] == 6
    assert len([record for record in caplog.records if "not a number" in record.getMessage()]) == 1


GOOD_VALUES = [
    (math.nan, math.nan),
    (math.inf, math.inf),
    (-math.inf, -math.inf),
    (2**53 + 1, float(2**53)),
    (10**400, math.inf),
    (True, 1.0),
    (np.float32(0.1), float(np.float32(0.1))),
    (np.int64(7), 7.0),
    (np.array(2.5), 2.5),
    (np.array([[2.5]]), 2.5),
    (np.float16(0.5), 0.5),
    (decimal.Decimal("0.25"), 0.25),
    (fractions.Fraction(1, 4), 0.25),
]


@pytest.mark.parametrize(("value", "stored"), GOOD_VALUES, ids=[repr(value)[:20] for value, _ in GOOD_VALUES])
def test_numbers_of_all_kinds_are_stored(tmp_path: Path, value: Any, stored: float) -> None:
    with start(tmp_path) as run:
        run.log({"m": value}, 0)
    ((_, found),) = points(tmp_path)["m"]
    assert found == stored or (math.isnan(found) and math.isnan(stored))


def test_a_huge_value_is_not_written_out_in_the_callers_time(tmp_path: Path) -> None:
    class Huge(list[int]):
        def __repr__(self) -> str:
            pytest.fail("asked for its text")

    with start(tmp_path) as run:
        run.log({"huge": Huge(), "good": 1.0}, 0)
        run.log_artifact(Huge())  # type: ignore[arg-type]
    assert points(tmp_path) == {"good": [(0, 1.0)]}


@given(
    st.dictionaries(
        st.one_of(st.text(max_size=5), st.integers(), st.none(), st.text(min_size=1025, max_size=1030)),
        st.one_of(st.floats(), st.integers(), st.text(), st.none(), st.complex_numbers(), st.lists(st.floats())),
        max_size=20,
    )
)
def test_of_any_mapping_each_entry_is_a_point_or_counted(metrics: dict[Any, Any]) -> None:
    values, rejected = clean_metrics(metrics)
    assert len(values) + sum(rejection.points for rejection in rejected) == len(metrics)
    good = {n for n, v in metrics.items() if isinstance(n, str) and 0 < len(n) < 9 and isinstance(v, (int, float))}
    assert good <= set(values) and all(type(value) is float for value in values.values())


def test_a_tensor_of_one_element_is_a_number_and_of_many_is_none(tmp_path: Path) -> None:
    class Tensor:
        """What a torch tensor does in `float`."""

        def __init__(self, elements: int) -> None:
            self.elements = elements

        def __float__(self) -> float:
            if self.elements != 1:
                raise RuntimeError("a Tensor with 2 elements cannot be converted to Scalar")
            return 4.0

    with start(tmp_path) as run:
        run.log({"one": Tensor(1), "many": Tensor(2)}, 0)
    assert points(tmp_path) == {"one": [(0, 4.0)]}


NAMES = ["loss\nnew line", 'with "quotes" and \\', "emoji 🔥", "x" * 1024, "ß" * 512, "a b/c.d", "'; DROP TABLE point"]


def test_names_with_any_text_are_kept(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        run.log(dict.fromkeys(NAMES, 1.0), 0)
    assert set(points(tmp_path)) == set(NAMES)


@pytest.mark.parametrize("name", ["", "x" * 1025, "ß" * 512 + "x", "x" * 10_240, "\ud800", 7, None, ("a", "b")])
def test_a_bad_name_is_dropped_and_counted(tmp_path: Path, name: Any) -> None:
    with start(tmp_path) as run:
        run.log({name: 1.0, "good": 2.0}, 0)
    assert points(tmp_path) == {"good": [(0, 2.0)]}
    assert last_status(tmp_path)["dropped"] == {"name": 1}


@pytest.mark.parametrize(("step", "kept"), [(-5, -5), (3.0, 3), (np.int32(4), 4), (2**63 - 1, 2**63 - 1), (True, 1)])
def test_steps_of_any_sign_and_kind_of_integer_are_kept(tmp_path: Path, step: Any, kept: int) -> None:
    with start(tmp_path) as run:
        run.log({"m": 1.0}, step)
    assert points(tmp_path) == {"m": [(kept, 1.0)]}


@pytest.mark.parametrize("step", [2**63, -(2**63) - 1, 3.5, "7", math.nan, math.inf, [1]])
def test_a_step_that_is_no_integer_of_64_bits_is_dropped_and_counted(tmp_path: Path, step: Any) -> None:
    with start(tmp_path) as run:
        run.log({"a": 1.0, "b": 2.0}, step)
        run.log({"a": 1.0}, 1)
    assert points(tmp_path) == {"a": [(1, 1.0)]}
    assert last_status(tmp_path)["dropped"] == {"step": 2}


def test_after_the_greatest_step_counting_on_is_refused_not_wrapped(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        run.log({"a": 1.0}, 2**63 - 1)
        run.log({"a": 2.0})
    assert last_status(tmp_path)["dropped"] == {"step": 1}


@pytest.mark.parametrize("metrics", [{}, [], None, "text", 7, [("a", 1.0)]])
def test_whatever_is_passed_to_log_nothing_is_raised(tmp_path: Path, metrics: Any) -> None:
    with start(tmp_path) as run:
        run.log(metrics, 0)
        run.log({"good": 1.0}, 1)
    assert points(tmp_path) == {"good": [(1, 1.0)]}


def test_repeated_and_unordered_steps_are_all_kept(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        for step in (5, 1, 5, 3):
            run.log({"m": float(step)}, step)
    assert points(tmp_path)["m"] == [(1, 1.0), (3, 3.0), (5, 5.0), (5, 5.0)]
