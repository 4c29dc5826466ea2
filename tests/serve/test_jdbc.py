"""The official JDBC driver, which DBeaver and others use, as they use it."""

import json
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from logged_runs import NAMES, OTTER, STEPS
from serving import Served

from broker import maven

HERE = Path(__file__).parent

JAVA = ["java", "-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Duser.timezone=Asia/Tokyo"]
"""Too little memory for a large result as a whole, and a zone in which a wrong time shows."""


@cache
def _class_path() -> str:
    if why := maven.missing():
        pytest.skip(f"{why} to run the JDBC driver with")
    with maven.alone(HERE / ".cache" / "jdbc"):
        try:
            maven.fetch(HERE / "jdbc" / "pom.xml", HERE / ".cache" / "jdbc")
        except subprocess.CalledProcessError:
            pytest.skip("Maven cannot fetch the JDBC driver")
    return maven.class_path(HERE / ".cache" / "jdbc")


def jdbc(served: Served, **properties: str) -> dict[str, Any]:
    """What the client says."""
    url = f"jdbc:clickhouse://127.0.0.1:{served.port}/runstream"
    program = [*JAVA, "-cp", _class_path(), str(HERE / "jdbc" / "Client.java")]
    given = [f"{name}={value}" for name, value in properties.items()]
    ended = subprocess.run([*program, url, *given], check=False, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stderr
    said: dict[str, Any] = json.loads(ended.stdout)
    return said


@pytest.fixture(scope="module")
def said(served: Served) -> dict[str, Any]:
    return jdbc(served, user="ada", password="whatever")


def test_jdbc_shows_the_tree_of_databases_tables_and_columns(said: dict[str, Any]) -> None:
    tree = said["tree"]
    assert (tree["product"], tree["version"][:3]) == ("ClickHouse", "26.")
    assert {"runstream", "system"} <= set(tree["schemas"])
    assert {"runs", "points", "metric_summary", "chart", "point"} <= set(tree["tables"])
    assert tree["views"] == ["run_finding_now", "runs"]
    assert tree["columns"]["run_id"] == "UUID"
    assert tree["columns"]["ended"] == "Nullable(DateTime64(6, 'UTC'))"


def test_jdbc_reads_every_type(said: dict[str, Any]) -> None:
    assert said["types"] == {
        "whole": "18446744073709551615",
        "real": -1.5,
        "bad": "NaN",
        "endless": "-Infinity",
        "text": "it's 🦊\t\\",
        "low": "x",
        "missing": 0.0,
        "moment": "2025-01-02T03:04:05.678901Z",
        "shown": "2025-01-02 03:04:05.678901",
        "list": [1.5, "NaN"],
        "mapped": {"a": 1},
        "id": str(OTTER),
        "yes": True,
        "day": "2025-01-02",
        "price": 1.5,
        "was_null": True,
    }


def test_jdbc_puts_parameters_of_every_kind_into_statements(said: dict[str, Any]) -> None:
    text = "a\tb\\c 'd' \"e\" 🦊 ? {x:String}"
    assert said["parameters"][:3] == [text, str(-(2**63) + 1), "0.1"]
    assert said["parameters"][3:] == [str(OTTER), "1", "0", "1"]
    assert said["chart"] == STEPS


def test_jdbc_reads_the_runs(said: dict[str, Any]) -> None:
    assert [name for name, _, _ in said["runs"]] == sorted(NAMES.values(), key=str.encode)
    assert said["runs"][0] == [NAMES[OTTER], "2025-10-09T08:53:20Z", 60.0]


def test_jdbc_streams_a_large_result(said: dict[str, Any]) -> None:
    assert said["large"] == 3_000_000 * 2_999_999 // 2


def test_jdbc_raises_what_went_wrong(said: dict[str, Any]) -> None:
    assert (said["unknown"], said["insert"], said["drop"], said["cancelled"]) == (60, 164, 164, 394)


def test_jdbc_does_not_take_half_an_answer_for_a_whole_one(said: dict[str, Any]) -> None:
    # The driver does not know how the end of a body tells of an exception.
    assert said["broken"]


def test_jdbc_shows_the_token(serve: Callable[..., Served]) -> None:
    served = serve("--token", "sesame")
    assert jdbc(served, user="ada", password="sesame")["valid"]
    assert jdbc(served, bearer_token="sesame")["valid"]
    assert jdbc(served, user="ada", password="wrong") == {"door": 516}
