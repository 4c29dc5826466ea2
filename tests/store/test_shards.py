"""Which shard holds a run."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstream_schemas.shards import BUCKETS, ShardMap, ShardMapError, even, moves, parse, rebalanced

maps = st.builds(
    lambda seed, count: ShardMap(tuple(random.Random(seed).choices(range(1, count + 1), k=BUCKETS))),
    st.integers(0, 2**32),
    st.integers(1, 40),
)


def balanced(shards: ShardMap, count: int) -> bool:
    sizes = Counter(shards.shards)
    return set(sizes) == set(range(1, count + 1)) and max(sizes.values()) - min(sizes.values()) <= 1


@given(st.integers(1, BUCKETS))
def test_the_default_map_gives_every_shard_one_range_of_equal_size(count: int) -> None:
    shards = even(count)
    assert balanced(shards, count)
    assert list(shards.shards) == sorted(shards.shards)


@given(maps, st.integers(1, 60))
def test_a_new_map_is_even_and_no_other_even_map_moves_fewer_buckets(old: ShardMap, count: int) -> None:
    new = rebalanced(old, count)
    assert balanced(new, count)
    moved = sum(len(move.buckets) for move in moves(old, new))
    assert moved == sum(a != b for a, b in zip(old.shards, new.shards, strict=True))
    # A shard keeps at most what it holds and at most its quota; the larger quotas go where they help most.
    floor, larger = divmod(BUCKETS, count)
    sizes = Counter(old.shards)
    kept = sum(min(sizes[shard], floor) for shard in range(1, count + 1))
    gains = sum(sizes[shard] > floor for shard in range(1, count + 1))
    assert moved == BUCKETS - kept - min(gains, larger)


def test_a_shard_that_is_added_takes_its_share_and_nothing_else_moves() -> None:
    old = even(3)
    planned = moves(old, rebalanced(old, 4))
    assert {move.target for move in planned} == {4}
    assert sum(len(move.buckets) for move in planned) == 256
    assert rebalanced(old, 3) == old


@given(maps)
def test_a_map_survives_its_file(shards: ShardMap) -> None:
    assert parse(shards.text) == shards
    assert parse("# by hand\n\n" + shards.text.replace("\n", "  # here\n")) == shards


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("1\n" * 1023, "has 1023"),
        ("1\n" * 1025, "has 1025"),
        ("1\n" * 7 + "two\n" + "1\n" * 1016, "line 8 of the shard map is 'two'"),
        ("1\n" * 1023 + "0\n", "count from 1"),
        ("", "has 0"),
    ],
)
def test_a_wrong_map_is_refused_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(ShardMapError, match=complaint):
        parse(text)


@pytest.mark.parametrize("count", [0, -1, BUCKETS + 1])
def test_a_number_of_shards_that_cannot_be_is_refused(count: int) -> None:
    with pytest.raises(ShardMapError, match="1 to 1024 shards"):
        even(count)
