import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstream_analytics.references import (
    AGGREGATES,
    BadReference,
    Field,
    Metric,
    Param,
    Reference,
    Tag,
    label,
    parse_reference,
    parse_references,
)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("state", Field("state")),
        ("val/accuracy:max", Metric("val/accuracy", "max")),
        ("val/accuracy", Metric("val/accuracy", "last")),
        ("loss:min", Metric("loss", "min")),
        ("a:max:min", Metric("a:max", "min")),
        ("lr", Param("lr")),
        ("config.name", Param("name")),
        ("config.path/x", Param("path/x")),
        ("tag.team", Tag("team")),
        ("optimizer.lr", Param("optimizer.lr")),
        (" step ", Field("step")),
    ],
)
def test_a_name_means_one_thing(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference


@pytest.mark.parametrize("text", ["", "  ", "val/accuracy:best"])
def test_a_name_that_means_nothing_is_refused_with_what_would(text: str) -> None:
    with pytest.raises(BadReference, match=r"use|write"):
        parse_reference(text)


def test_a_list_is_separated_by_commas_outside_backquotes() -> None:
    assert parse_references("name, `a,b:max`,lr,") == [Field("name"), Metric("a,b", "max"), Param("lr")]
    assert parse_references(r"`a\`b`,c") == [Param("a`b"), Param("c")]


@given(
    st.one_of(
        st.builds(Metric, st.text(min_size=1).filter(lambda s: s.strip() == s), st.sampled_from(AGGREGATES)),
        st.builds(Param, st.text(min_size=1).filter(lambda s: s.strip() == s and ":" not in s)),
        st.builds(Tag, st.text(min_size=1).filter(lambda s: s.strip() == s and ":" not in s)),
    )
)
def test_a_label_is_read_back_as_the_same_reference(reference: Reference) -> None:
    assert parse_reference(label(reference)) == reference
