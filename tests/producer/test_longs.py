"""Many longs at once: the same bytes as one by one."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstream.longs import LANES, encode_longs
from runstream_schemas.avro import encode_long

BORDERS = sorted({sign * (2 ** (7 * n - 1)) + off for n in range(1, 10) for sign in (1, -1) for off in (-1, 0, 1)})
"""Where a long takes one byte more."""


def as_avro_says(values: list[int]) -> bytes:
    return encode_long(len(values)) + b"".join(map(encode_long, values)) + b"\0"


def encoded(values: list[int]) -> bytes:
    return encode_longs(array("q", values).tobytes(), min(values), max(values))


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.sampled_from(BORDERS), min_size=1, max_size=40))
def test_any_longs_are_encoded_as_avro_says(values: list[int]) -> None:
    assert encoded(values) == as_avro_says(values)


@given(st.integers(1, 8), st.data())
def test_longs_of_equal_length_are_encoded_as_avro_says(length: int, data: st.DataObject) -> None:
    least, greatest = (2 ** (7 * (length - 1) - 1) if length > 1 else 0), 2 ** (7 * length - 1) - 1
    values = data.draw(st.lists(st.integers(least, greatest) | st.sampled_from([least, greatest]), min_size=1))
    assert encoded(values) == as_avro_says(values)


@pytest.mark.parametrize("count", [1, LANES - 1, LANES, LANES + 1, 3 * LANES + 7])
@pytest.mark.parametrize("first", [0, 60, 8_000, 123_456, 1_795_000_000_000_000])
def test_no_long_is_lost_between_blocks(count: int, first: int) -> None:
    values = list(range(first, first + count))
    assert encoded(values) == as_avro_says(values)
