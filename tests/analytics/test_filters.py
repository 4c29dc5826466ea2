import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runstream_analytics.cli.choosing import pointed
from runstream_analytics.errors import UserError
from runstream_analytics.filters import (
    MAX_NESTING,
    All,
    AnyOf,
    BadFilter,
    Compare,
    Filter,
    Not,
    parse_filter,
)
from runstream_analytics.queries.selection import Selection
from runstream_analytics.references import Field, Metric, Param, Tag

LR = Compare(Param("lr"), ">", "0.01", quoted=False)
DONE = Compare(Field("state"), "=", "finished", quoted=False)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("lr>0.01", LR),
        ("lr > 0.01 and state=finished", All((LR, DONE))),
        ("lr>0.01 or lr>0.01 AND state = finished", AnyOf((LR, All((LR, DONE))))),
        ("(lr>0.01 or lr>0.01) and state = finished", All((AnyOf((LR, LR)), DONE))),
        ("not (not lr>0.01)", Not(Not(LR))),
        ("`and` = 'or'", Compare(Param("and"), "=", "or", quoted=True)),
        (r"name ~ 'it\'s \\ ok'", Compare(Field("name"), "~", r"it's \ ok", quoted=True)),
        ('tag.team != "a b"', Compare(Tag("team"), "!=", "a b", quoted=True)),
        ("val/loss:min<=-1e-3", Compare(Metric("val/loss", "min"), "<=", "-1e-3", quoted=False)),
    ],
)
def test_a_filter_reads_as_it_is_written(text: str, parsed: Filter) -> None:
    assert parse_filter(text) == parsed


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", 0, "empty"),
        ("lr", 2, "expected one of = .* but the filter ends"),
        ("lr > ", 4, "expected a value, but the filter ends"),
        ("> 3", 0, "expected a name"),
        ("(lr>1", 5, "expected a closing parenthesis"),
        ("lr>1)", 4, "expected and, or, or the end"),
        ("lr>1 adn lr>2", 5, "expected and, or, or the end"),
        ("lr>1 and name='x", 14, "this quote has no end"),
        ("lr = = 1", 5, "expected a value"),
        ("lr ! 1", 3, "no operator"),
        ("not", 3, "expected a name"),
        ("lr>1 and a/b:best > 3", 9, "use last, min"),
    ],
)
def test_what_is_no_filter_is_refused_with_the_place(text: str, position: int, message: str) -> None:
    with pytest.raises(BadFilter, match=message) as refused:
        parse_filter(text)
    assert refused.value.position == position


def test_the_place_is_pointed_at_below_wide_and_unprintable_characters_too() -> None:
    assert pointed("学\x1b > = 3", 5).splitlines() == [r"  学\x1b > = 3", "           ^"]


def test_endless_nesting_is_refused_and_not_a_crash() -> None:
    assert parse_filter("(" * MAX_NESTING + "lr>0.01" + ")" * MAX_NESTING) == LR
    for text in ("(" * 10_000, "not " * 10_000 + "lr>1"):
        with pytest.raises(BadFilter):
            parse_filter(text)


words = st.text(min_size=1, max_size=30)
fragments = st.lists(
    st.one_of(
        st.sampled_from(["lr", "name", "state", "a/b", ">", "=", "~", "(", ")", "and", "or", "not", "'", '"']), words
    )
)


@given(st.one_of(words, fragments.map(" ".join)))
@example("name='x\\")
@example("`")
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    try:
        parse_filter(text)
    except BadFilter:
        return


@st.composite
def conditions(draw: st.DrawFn) -> Filter:
    reference = draw(
        st.one_of(
            st.sampled_from([Field("name"), Field("step"), Field("started"), Field("dirty"), Field("id")]),
            st.builds(Metric, words, st.sampled_from(["last", "min"])),
            st.builds(Param, words),
            st.builds(Tag, words),
        )
    )
    operator = draw(st.sampled_from(["=", "!=", "<", ">=", "~", "!~"]))
    return Compare(reference, operator, draw(words), quoted=draw(st.booleans()))


filters = st.recursive(
    conditions(), lambda inner: st.one_of(st.builds(Not, inner), st.builds(lambda a, b: AnyOf((a, b)), inner, inner))
)


@given(filters)
def test_no_word_of_the_user_becomes_sql(condition: Filter) -> None:
    selection = Selection()
    try:
        sql = f"{selection.condition(condition)} {selection.source()}"
    except UserError:
        return
    placeholders = re.compile(r"\{v\d+:[A-Za-z0-9()]+\}")
    known = [
        "r",
        "m",
        "p",
        "t",
        "f",
        "NOT",
        "OR",
        "AND",
        "FROM",
        "runs",
        "AS",
        "LEFT",
        "JOIN",
        "SELECT",
        "run_id",
        "anyIf",
        "toNullable",
        "metric_summary",
        "params",
        "tags",
        "metric",
        "key",
        "WHERE",
        "IN",
        "GROUP",
        "BY",
        "ON",
        "value",
        "text",
        "number",
        "last",
        "min",
        "name",
        "last_step",
        "started",
        "dirty",
        "toString",
        "toUnixTimestamp64Micro",
        "toFloat64OrNull",
        "ifNull",
        "positionCaseInsensitiveUTF8",
        "0",
        "1",
        "name",
    ]
    rest = placeholders.sub("", sql)
    tokens = re.findall(r"[A-Za-z_0-9]+", rest)
    assert set(re.sub(r"[A-Za-z_0-9\s]", "", rest)) <= set("().,=<>!")
    assert all(token in known or re.fullmatch(r"[mpt]\d+(_value|_text|_number)?", token) for token in tokens)


@pytest.mark.parametrize(
    "text", ["val/loss:min > fast", "started > soon", "dirty = maybe", "step ~ 3", "step = 'many'"]
)
def test_a_value_that_does_not_fit_is_named(text: str) -> None:
    with pytest.raises(UserError, match=r"\w+ is"):
        Selection().condition(parse_filter(text))
