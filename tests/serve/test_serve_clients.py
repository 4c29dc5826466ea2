"""Clients as people use them: clickhouse-connect, curl, @clickhouse/client and clickhouse-go."""

import json
import math
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from logged_runs import NAMES
from serving import Served

HERE = Path(__file__).parent
CACHE = HERE / ".cache"


def test_clickhouse_connect_reads_every_type(served: Served) -> None:
    client = served.client()
    sql = """SELECT 18446744073709551615::UInt64, -1::Int128, nan, inf, 'it''s 🦊\\t',
        toLowCardinality(NULL::Nullable(String)), toDateTime64('2025-01-02 03:04:05.678901', 6, 'UTC'), [[1], []],
        map('a', 1), tuple(1, 'x'), true, NULL, toUUID('01935000-0000-7000-8000-00000a111111'), 1.5::Decimal(9, 2)"""
    row = client.query(sql).result_rows[0]
    assert row[0] == 2**64 - 1
    assert (row[1], row[4], row[5]) == (-1, "it's 🦊\t", None)
    assert math.isnan(row[2])
    assert row[3] == math.inf
    assert row[6].microsecond == 678901
    assert row[7:9] == ([[1], []], {"a": 1})
    assert row[10] is True


def test_clickhouse_connect_uses_parameters_settings_and_frames(served: Served) -> None:
    client = served.client()
    value = "a\tb\\c 'd' \"e\" 🦊"
    assert client.query("SELECT {p:String}", parameters={"p": value}).result_rows == [(value,)]
    assert client.query("SELECT getSetting('max_threads')", settings={"max_threads": 1}).result_rows == [(1,)]
    assert len(client.query_df("SELECT * FROM runs")) == len(NAMES)
    assert client.query_arrow("SELECT name FROM runs").num_rows == len(NAMES)
    assert client.query("SELECT name, state FROM runs LIMIT 0").column_names == ("name", "state")
    assert client.query("SELECT 1 WHERE 0").result_rows == []
    assert client.ping()


@pytest.mark.parametrize(
    ("sql", "code"), [("SELEC", 62), ("SELECT 1 FROM nowhere", 60), ("SELECT 1 SETTINGS nothing = 1", 115)]
)
def test_clickhouse_connect_raises_what_went_wrong(served: Served, sql: str, code: int) -> None:
    with pytest.raises(DatabaseError, match=f"Code: {code}\\b"):
        served.client().query(sql)
    with pytest.raises(DatabaseError, match="Code: 164"):
        served.client().insert("series", [[1]], column_names=["rank"], column_type_names=["Int32"])


def test_clickhouse_connect_raises_a_failure_in_the_middle(served: Served) -> None:
    with pytest.raises(Exception, match="Code: 395"):
        assert served.client().query("SELECT throwIf(number = 3000000) FROM numbers(10000000)").result_rows


def test_sixteen_clients_at_once_get_their_own_answers(served: Served) -> None:
    def ask(number: int) -> bool:
        client = served.client()
        return all(
            client.query(f"SELECT sum(number) FROM numbers({n})").result_rows == [(n * (n - 1) // 2,)]
            for n in range(100 + number, 100_000, 9973)
        )

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(16)))


def test_curl_reads_the_runs(served: Served) -> None:
    curl = shutil.which("curl") or pytest.skip("curl is not installed")
    url = f"{served.url}/?query=SELECT+name+FROM+runs+ORDER+BY+name,run_id+FORMAT+JSONEachRow"
    output = subprocess.run([curl, "-sS", "--fail", url], capture_output=True, check=True).stdout
    assert [json.loads(line)["name"] for line in output.splitlines()] == sorted(NAMES.values(), key=str.encode)
    assert subprocess.run([curl, "-sS", served.url], capture_output=True, check=True).stdout == b"Ok.\n"


def test_the_javascript_client_reads_the_runs(served: Served) -> None:
    node, cache = shutil.which("node"), CACHE / "node"
    if node is None or not _installed(cache):
        pytest.skip("node or @clickhouse/client is missing")
    said = _run(node, str(HERE / "node" / "client.mjs"), served.url, "", str(cache))
    assert said == {
        "ping": True,
        "select_ping": True,
        "runs": sorted(NAMES.values(), key=str.encode),
        "parameter": "a\tb\\c 'd' \"e\" 🦊",
        "sum": 499999500000,
        "unknown_table": "60",
        "write": "164",
        "settings": said["settings"],
    }
    assert int(said["settings"]) == 1


@pytest.mark.parametrize("compression", ["none", "gzip", "lz4"])
def test_the_go_client_that_grafana_uses_reads_the_runs(served: Served, compression: str) -> None:
    said = _run(str(_go_client()), served.url.removeprefix("http://"), "", compression)
    assert said["values"] == {
        "whole": "18446744073709551615",
        "real": -1.5,
        "nan": True,
        "text": "it's 🦊\t\\",
        "low": "x",
        "time": "2025-01-02 03:04:05.678901",
        "nested": "[[1] [2 3]]",
        "mapped": {"a": 1},
        "nullable": 1,
        "parameter": "a 'b' \"c\" 🦊",
    }
    assert said["sum"] == 499999500000
    assert said["code"] == 60
    assert said["late"] == 395
    assert said["runs"] == sorted(NAMES.values(), key=str.encode)


def _run(*arguments: str) -> Any:
    ended = subprocess.run(arguments, check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def _installed(cache: Path) -> bool:
    if (cache / "node_modules" / "@clickhouse" / "client").exists():
        return True
    npm = shutil.which("npm")
    if npm is None:
        return False
    cache.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "node" / "package.json", cache)
    install = [npm, "install", "--no-audit", "--no-fund"]
    return not subprocess.run(install, check=False, cwd=cache, capture_output=True).returncode


def _go_client() -> Path:
    source, made = HERE / "go", CACHE / "go-client"
    newest = max(file.stat().st_mtime for file in source.iterdir())
    if not made.exists() or made.stat().st_mtime < newest:
        go = shutil.which("go") or pytest.skip("go is not installed")
        CACHE.mkdir(exist_ok=True)
        build = [go, "build", "-o", str(made), "."]
        built = subprocess.run(build, check=False, cwd=source, capture_output=True, text=True)
        if built.returncode:
            pytest.skip(f"clickhouse-go cannot be built: {built.stderr[-300:]}")
    return made
