"""The event contract: what was ever written stays readable, by us and by any Avro library."""

import io
import json
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstream_schemas import avro
from runstream_schemas.avro import EVENT_NAMES, NotSingleObject, UnknownFingerprint, current, known

GOLDEN = Path(__file__).parent / "golden"


def crc_64_avro(data: bytes) -> int:
    """CRC-64-AVRO, bit by bit, as the Avro specification defines it (appendix "Schema Fingerprints")."""
    empty = 0xC15D213AA4D7A795
    result = empty
    for byte in data:
        result ^= byte
        for _ in range(8):
            result = (result >> 1) ^ (empty & -(result & 1))
    return result


def plain(value: Any) -> Any:
    """A decoded record as JSON holds it."""
    return json.loads(json.dumps(value, default=str))


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_every_field_of_every_schema_is_documented(event: str) -> None:
    def records(node: Any) -> list[Any]:
        if isinstance(node, list):
            return [found for part in node for found in records(part)]
        if not isinstance(node, dict):
            return []
        inner = [found for part in node.values() for found in records(part)]
        return [node, *inner] if node.get("type") == "record" else inner

    found = records(json.loads(current(event).text))
    assert found
    for record in found:
        assert all(field.get("doc") for field in record["fields"]), record["name"]


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_the_fingerprint_is_the_one_of_the_specification(event: str) -> None:
    canonical = fastavro.schema.to_parsing_canonical_form(json.loads(current(event).text))
    assert current(event).fingerprint == crc_64_avro(canonical.encode()).to_bytes(8, "little")


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.bin")), ids=lambda path: path.stem)
def test_what_earlier_versions_wrote_is_still_read(path: Path) -> None:
    schema, record = avro.decode(path.read_bytes())
    assert schema.event == path.stem.split(".")[0]
    assert plain(record) == json.loads(path.with_suffix(".json").read_text())


def test_there_is_a_golden_file_of_every_known_schema() -> None:
    written = {path.read_bytes()[2:10] for path in GOLDEN.glob("*.bin")}
    assert written == set(known())


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_the_current_version_writes_the_golden_bytes(event: str) -> None:
    newest = sorted(GOLDEN.glob(f"{event}.*.bin"))[-1]
    assert current(event).encode(json.loads(newest.with_suffix(".json").read_text())) == newest.read_bytes()


@given(st.binary(max_size=40))
def test_foreign_bytes_are_told_apart_from_unknown_schemas(data: bytes) -> None:
    try:
        avro.split_message(data)
    except NotSingleObject:
        assert len(data) < 10 or data[:2] != b"\xc3\x01"
    except UnknownFingerprint:
        assert data[2:10] not in known()


def test_trailing_and_missing_bytes_are_refused() -> None:
    message = (GOLDEN / "tag.1.bin").read_bytes()
    with pytest.raises(ValueError, match="trailing"):
        avro.decode(message + b"\x00")
    with pytest.raises(Exception):  # noqa: B017 - which one depends on where the cut is
        avro.decode(message[:-1])


def test_any_avro_library_reads_a_container_file_of_the_schema() -> None:
    record = json.loads((GOLDEN / "metric.1.json").read_text())
    buffer = io.BytesIO()
    fastavro.writer(buffer, json.loads(current("metric").text), [record])
    buffer.seek(0)
    assert plain(list(fastavro.reader(buffer))) == [record]
