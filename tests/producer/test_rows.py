"""How a call finds its key set: the right one, however alike others are, and without touching the caller's mapping."""

from collections import Counter, OrderedDict, defaultdict
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journals import Journal


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from("abcd"), st.integers(0, 100), min_size=1, max_size=4),
            st.none() | st.integers(0, 5),
        ),
        max_size=60,
    )
)
def test_every_value_stays_with_its_name_however_alike_the_key_sets_are(
    calls: list[tuple[dict[str, int], int | None]],
) -> None:
    journal = Journal()
    for metrics, step in calls:
        journal.writer.append(metrics, step)
    found = [(dict(zip(names, values, strict=True)), auto) for names, auto, _, values, _ in journal.rows()]
    assert found == [(metrics, step is None) for metrics, step in calls]


def test_the_order_of_names_does_not_matter() -> None:
    journal = Journal()
    journal.writer.append({"a": 1.0, "b": 2.0}, 0)
    journal.writer.append({"b": 4.0, "a": 3.0}, 1)
    assert [(names, values) for names, _, _, values, _ in journal.rows()] == [
        (("a", "b"), [1.0, 2.0]),
        (("a", "b"), [3.0, 4.0]),
    ]


@pytest.mark.parametrize("kind", [OrderedDict, Counter, MappingProxyType, lambda d: defaultdict(float, d)])
def test_any_mapping_is_logged(kind: Any) -> None:
    journal = Journal()
    for step in range(3):
        journal.writer.append(kind({"a": step, "b": 2}), step)
    assert [(row[0], row[3]) for row in journal.rows()] == [(("a", "b"), [step, 2.0]) for step in range(3)]


def test_a_defaultdict_gets_no_new_keys() -> None:
    journal = Journal()
    journal.writer.append({"a": 1.0}, 0)
    other = defaultdict(float, {"b": 2.0})
    journal.writer.append(other, 1)
    assert dict(other) == {"b": 2.0}
    assert [row[0] for row in journal.rows()] == [("a",), ("b",)]


def test_pairs_are_no_mapping_even_where_their_names_are_known() -> None:
    journal = Journal()
    journal.writer.append({"a": 1.0}, 0)
    journal.writer.append([("a", 1.0)], 1)  # type: ignore[arg-type]
    assert len(journal.rows()) == 1
    assert journal.ring.dropped == {"value": 1}
