"""Container files: what is wrapped comes back, and damage costs only what it hit. fastavro is the oracle."""

import io

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstream_ingest import ocf
from runstream_schemas.avro import encode_long

SYNC = bytes(range(200, 216))
SCHEMA = '"bytes"'
payloads = st.lists(st.binary(max_size=40), max_size=12)
longs = st.integers(-(2**63), 2**63 - 1)


def as_bytes_datums(values: list[bytes]) -> list[bytes]:
    return [encode_long(len(value)) + value for value in values]


def body(datums: list[bytes]) -> bytes:
    return b"".join(ocf.wrap(datums, SCHEMA, SYNC)[1:])


def blocks(scan: ocf.Scan) -> list[bytes]:
    return [part.data for part in scan.parts if isinstance(part, ocf.Block)]


@given(longs)
def test_a_long_survives(value: int) -> None:
    encoded = encode_long(value)
    assert ocf.decode_long(encoded, 0) == (value, len(encoded))
    out = io.BytesIO()
    fastavro.schemaless_writer(out, "long", value)
    assert out.getvalue() == encoded


@given(payloads)
def test_any_avro_reader_reads_a_wrapped_batch(values: list[bytes]) -> None:
    file = io.BytesIO(b"".join(ocf.wrap(as_bytes_datums(values), SCHEMA, SYNC)))
    assert list(fastavro.reader(file)) == values


@given(payloads, st.booleans())
def test_blocks_of_another_writer_are_found(values: list[bytes], one_block: bool) -> None:
    out = io.BytesIO()
    fastavro.writer(out, {"type": "bytes"}, values, sync_interval=16_000 if one_block else 0, sync_marker=SYNC)
    header = ocf.parse_header(out.getvalue())
    assert header is not None
    assert header.sync == SYNC
    scan = ocf.scan(out.getvalue()[header.size :], SYNC)
    assert scan.tail is ocf.Tail.CLEAN
    assert b"".join(blocks(scan)) == b"".join(as_bytes_datums(values))
    assert sum(part.datums for part in scan.parts if isinstance(part, ocf.Block)) == len(values)


@given(payloads, st.data())
def test_a_file_cut_anywhere_gives_whole_blocks_and_a_torn_tail(values: list[bytes], data: st.DataObject) -> None:
    whole = body(values)
    cut = data.draw(st.integers(0, len(whole)))
    scan = ocf.scan(whole[:cut], SYNC)
    assert not any(isinstance(part, ocf.Gap) for part in scan.parts)
    assert blocks(scan) == values[: len(scan.parts)]
    assert scan.tail is (ocf.Tail.CLEAN if scan.end == cut else ocf.Tail.TORN)
    assert blocks(ocf.scan(whole[scan.end :], SYNC)) == values[len(scan.parts) :]


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=3, max_size=12), st.data())
def test_an_overwritten_byte_costs_at_most_its_own_block(values: list[bytes], data: st.DataObject) -> None:
    pieces = [body([value]) for value in values]
    victim = data.draw(st.integers(0, len(values) - 2))
    at = data.draw(st.integers(0, len(pieces[victim]) - 1))
    flip = data.draw(st.integers(1, 255))
    damaged = bytearray(pieces[victim])
    damaged[at] ^= flip
    scan = ocf.scan(b"".join([*pieces[:victim], bytes(damaged), *pieces[victim + 1 :]]), SYNC)
    found = blocks(scan)
    assert found[:victim] == values[:victim]
    assert found[len(found) - (len(values) - victim - 1) :] == values[victim + 1 :]
    assert scan.tail is ocf.Tail.CLEAN


@given(st.binary(max_size=300))
def test_garbage_is_never_an_error(garbage: bytes) -> None:
    scan = ocf.scan(garbage, SYNC)
    assert 0 <= scan.end <= len(garbage)
    try:
        ocf.parse_header(garbage)
    except ocf.NotContainerFile as error:
        assert str(error)


def test_zeros_after_the_last_block_are_damage_that_may_still_heal() -> None:
    scan = ocf.scan(body([b"a"]) + bytes(64), SYNC)
    assert blocks(scan) == [b"a"]
    assert scan.tail is ocf.Tail.DAMAGED
    assert scan.end == len(body([b"a"]))


@given(st.integers(0, 60))
def test_a_header_that_is_still_being_written_is_waited_for(cut: int) -> None:
    header = ocf.header(SCHEMA, SYNC)
    parsed = ocf.parse_header(header[:cut])
    assert (parsed is None) == (cut < len(header))


def test_other_files_are_named_for_what_they_are() -> None:
    with pytest.raises(ocf.NotContainerFile, match="magic"):
        ocf.parse_header(b"PAR1 and so on")
    out = io.BytesIO()
    fastavro.writer(out, {"type": "bytes"}, [b"a"], codec="deflate")
    with pytest.raises(ocf.NotContainerFile, match="deflate"):
        ocf.parse_header(out.getvalue())
