"""The bytes, headers and codes of the protocol, as clients rely on them."""

import gzip
import json
import struct

import lz4.block
import pytest
from clickhouse_cityhash.cityhash import CityHash128
from serving import Served

from runstream_analytics.serve.wire import HELLO


def test_get_and_post_give_the_same_and_the_format_is_named(served: Served) -> None:
    answers = [served.get("/", query="SELECT 1 AS a FORMAT JSON"), served.ask("SELECT 1 AS a FORMAT JSON")]
    answers += [served.ask("1 AS a", query="SELECT", default_format="JSON")]
    for answer in answers:
        assert answer.headers["X-ClickHouse-Format"] == "JSON"
        assert json.loads(answer.body)["data"] == [{"a": 1}]


def test_without_a_format_the_answer_is_tab_separated(served: Served) -> None:
    assert served.text("SELECT 1, 'a\tb'") == "1\ta\\tb\n"
    assert served.text("SELECT 1", default_format="CSVWithNames") == '"1"\n1\n'
    assert served.ask("SELECT 1", {"X-ClickHouse-Format": "JSONEachRow"}).body == b'{"1":1}\n'


def test_headers_name_query_zone_server_and_cost(served: Served) -> None:
    headers = served.ask("SELECT number FROM numbers(7)", query_id="mine").headers
    assert headers["X-ClickHouse-Query-Id"] == "mine"
    assert headers["X-ClickHouse-Timezone"] == "UTC"
    assert json.loads(headers["X-ClickHouse-Summary"])["result_rows"] == "7"
    assert served.text("SELECT timezone()") == "UTC\n"


@pytest.mark.parametrize(
    ("sql", "status", "code"),
    [
        ("SELEC 1", 400, 62),
        ("", 400, 62),
        ("SELECT x", 404, 47),
        ("SELECT f(1)", 404, 46),
        ("SELECT 1 FROM nowhere", 404, 60),
        ("SELECT 1 SETTINGS nothing = 1", 404, 115),
        ("SELECT 1 FORMAT Nothing", 500, 73),
        ("SELECT sleepEachRow(1) FROM numbers(10) SETTINGS max_execution_time = 1, max_block_size = 1", 408, 159),
        ("SELECT groupArray(number) FROM numbers(30000000) SETTINGS max_memory_usage = 10000000", 500, 241),
        ("SELECT number FROM numbers(10) SETTINGS max_result_rows = 5", 500, 396),
        ("INSERT INTO runs VALUES", 500, 164),
    ],
)
def test_an_error_has_a_status_a_code_and_words(served: Served, sql: str, status: int, code: int) -> None:
    answer = served.ask(sql)
    assert (answer.status, answer.code) == (status, code), answer.body
    assert answer.body.startswith(f"Code: {code}. DB::Exception: ".encode())
    assert answer.body.count(b"Code: ") == 1
    assert b"(version 26." in answer.body
    assert b"formatQuery" not in answer.body


def test_parameters_keep_every_character(served: Served) -> None:
    value = "'a' \"b\" `c` 🦊 \\\\ \\t \\n {x:String} file('x')"
    assert served.text("SELECT {p:String} FORMAT TSVRaw", param_p=value) == (
        "'a' \"b\" `c` 🦊 \\ \t \n {x:String} file('x')\n"
    )
    assert (
        served.text("SELECT {a:Array(UInt8)}, {n:Nullable(String)}", param_a="[1,2]", param_n="\\N") == "[1,2]\t\\N\n"
    )


def test_no_database_means_that_of_the_runs(served: Served) -> None:
    for database in ({}, {"database": "default"}, {"database": "runstream"}):
        assert served.text("SELECT count() FROM runs", **database) == "5\n"
    assert served.ask("SELECT 1", database="no`where").code == 81


def test_a_failure_in_the_middle_is_told_at_the_end(served: Served) -> None:
    answer = served.ask("SELECT throwIf(number = 1000000) FROM numbers(2000000)")
    assert answer.status == 200
    tag = answer.headers["X-ClickHouse-Exception-Tag"].encode()
    body, _, block = answer.body.partition(b"\r\n__exception__\r\n" + tag + b"\r\n")
    message, size = block.removesuffix(b" " + tag + b"\r\n__exception__\r\n").rsplit(b"\n", 1)
    assert set(body) == set(b"0\n")
    assert message.startswith(b"Code: 395.")
    assert int(size) == len(message) + 1


def test_a_body_that_failed_never_looks_whole(served: Served) -> None:
    sql = "SELECT throwIf(number = {bad}) FROM numbers(2000000) FORMAT RowBinary"
    for compress in (0, 1):
        assert not served.ask(sql.format(bad=1_000_000), compress=compress).whole
        assert served.ask(sql.format(bad=2_000_000), compress=compress).whole


def test_the_hello_of_clickhouse_go_is_answered_at_its_revision_and_reports_none(served: Served) -> None:
    body = served.ask(HELLO, client_protocol_version=54460, default_format="Native").body
    assert body.startswith(b"\x01\x00\x02\xff\xff\xff\xff\x00\x04\x01\rdisplayName()\x06String\x00\trunstream")
    assert b"\nrevision()\x06UInt32\x00\0\0\0\0" in body
    # A client of an earlier revision has no byte for special serialisation.
    assert b"displayName()\x06String\trunstream" in served.ask(HELLO, client_protocol_version=54000).body


def test_a_probe_of_the_revision_gets_native_without_one(served: Served) -> None:
    body = served.ask("SELECT 1 AS check\n FORMAT Native", client_protocol_version=54405).body
    assert body == b"\x01\x01\x05check\x05UInt8\x01"


def test_compressed_blocks_are_whole_and_carry_their_hash(served: Served) -> None:
    body = served.ask("SELECT number FROM numbers(200000)", compress=1).body
    plain = b""
    while body:
        method, size, raw = struct.unpack_from("<BII", body, 16)
        block = body[16 : 16 + size]
        high, low = struct.unpack_from("<QQ", body)
        assert (high << 64) + low == CityHash128(block)
        assert method == 0x82
        plain += lz4.block.decompress(block[9:], uncompressed_size=raw)
        body = body[16 + size :]
    assert plain == b"".join(b"%d\n" % number for number in range(200000))


def test_a_failure_in_compressed_blocks_can_be_read_without_decompressing(served: Served) -> None:
    answer = served.ask("SELECT throwIf(number = 1000000) FROM numbers(2000000)", compress=1)
    assert b"Code: 395. DB::Exception" in answer.body[-1000:]


def test_a_body_may_be_compressed(served: Served) -> None:
    assert served.ask(gzip.compress(b"SELECT 5"), {"Content-Encoding": "gzip"}).body == b"5\n"
    assert served.ask(b"xx", {"Content-Encoding": "gzip"}).status == 500
    assert served.ask(b"xx", {"Content-Encoding": "br"}).status == 501


def test_what_is_not_supported_says_so(served: Served) -> None:
    multipart = {"Content-Type": "multipart/form-data; boundary=x"}
    assert served.ask(b"--x--", multipart).code == 48
    assert served.ask(b"x", decompress=1).code == 48
    assert served.get("/nowhere").status == 404


def test_settings_of_the_url_hold_for_one_request(served: Served) -> None:
    assert served.text("SELECT getSetting('max_threads')", max_threads=1) == "1\n"
    assert served.text("SELECT getSetting('max_threads')", max_threads=2) == "2\n"
    assert served.text("SELECT getSetting('readonly'), getSetting('max_execution_time')", readonly=0) == "1\t300\n"


def test_sessions_roles_and_quotas_are_ignored(served: Served) -> None:
    assert served.text("SELECT 1", session_id="a", role="b", quota_key="c", wait_end_of_query=1) == "1\n"


def test_every_output_format_gives_one_whole_document(served: Served) -> None:
    rows = 100_000
    sql = f"SELECT number AS n, toString(number) AS s FROM numbers({rows})"
    assert len(json.loads(served.ask(f"{sql} FORMAT JSON").body)["data"]) == rows
    lines = served.text(f"{sql} FORMAT CSVWithNames").splitlines()
    assert (lines[0], len(lines)) == ('"n","s"', rows + 1)
    pq = pytest.importorskip("pyarrow.parquet")
    pa = pytest.importorskip("pyarrow")
    assert pq.read_table(pa.BufferReader(served.ask(f"{sql} FORMAT Parquet").body)).num_rows == rows
    assert pa.ipc.open_stream(served.ask(f"{sql} FORMAT ArrowStream").body).read_all().num_rows == rows
