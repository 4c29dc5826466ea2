"""`runstream sql` through the real engine."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

from cli_tasks import Result
from logged_runs import FOX, NAMES

from runstream_schemas.exit_codes import ExitCode

Invoke = Callable[..., Result]


def test_sql_answers_as_table_json_and_csv(invoke: Invoke, logged: Path) -> None:
    query = "SELECT name, toFloat64('nan') AS bad, 12345678901234567 AS big FROM runs WHERE state = 'failed'"
    name = NAMES[FOX]
    assert json.loads(invoke(logged, "sql", query, "--json").out) == [
        {"name": name, "bad": None, "big": 12345678901234567}
    ]
    assert list(csv.reader(io.StringIO(invoke(logged, "sql", query).out)))[1] == [name, "nan", "12345678901234567"]
    table = invoke(logged, "sql", "-", "--format", "table", stdin=query + ";\n").out
    assert name in table
    assert "12345678901234567" in table
    assert json.loads(invoke(logged, "sql", query + " AND 0", "--json").out) == []


def test_sql_that_writes_is_refused(invoke: Invoke, logged: Path) -> None:
    counted = "SELECT (SELECT count() FROM points), (SELECT count() FROM system.tables)"
    before = invoke(logged, "sql", counted).out
    for query in (
        "DROP TABLE point",
        "SELECT 1; DROP TABLE point",
        "INSERT INTO dead_letter SELECT * FROM dead_letter",
        "INSERT INTO log_position VALUES ('a', 1, now())",
        "ALTER TABLE point DELETE WHERE 1",
        "SET readonly = 0; DROP TABLE point",
        "SELECT 1 SETTINGS readonly = 0",
        "CREATE TABLE mine (a Int8) ENGINE = Memory",
    ):
        code, out, err = invoke(logged, "sql", query)
        assert (code, out) == (ExitCode.USAGE, ""), query
        assert "--write" in err, query
    assert invoke(logged, "sql", counted).out == before


def test_sql_writes_no_file_and_names_the_option_for_a_format(invoke: Invoke, logged: Path, tmp_path: Path) -> None:
    for clause in (
        f"INTO OUTFILE '{tmp_path}/out.csv'",
        "into  outfile 'x'",
        f"INTO/**/OUTFILE '{tmp_path}/out.csv'",
        f"INTO -- to a file\n OUTFILE '{tmp_path}/out.csv'",
        f"INTO # to a file\n OUTFILE '{tmp_path}/out.csv'",
        f"INTO /* /* a comment in a comment */ */ OUTFILE '{tmp_path}/out.csv'",
        f", $a$'$a$, '\\' \t' INTO OUTFILE '{tmp_path}/out.csv'",
        "FORMAT CSV",
        "format JSON SETTINGS max_threads = 1",
    ):
        for more in ((), ("--write",)):
            code, out, err = invoke(logged, "sql", f"SELECT 1 {clause}", *more)
            assert (code, out) == (ExitCode.USAGE, ""), clause
            assert "--format" in err, clause
    assert not list(tmp_path.iterdir())
    harmless = "SELECT 'x INTO OUTFILE y' AS a, formatReadableSize(1) AS \"FORMAT CSV\" -- FORMAT CSV"
    assert invoke(logged, "sql", harmless).code == 0


def test_sql_writes_when_it_is_told_to(invoke: Invoke, logged: Path) -> None:
    assert invoke(logged, "sql", "--write", "CREATE TABLE scratch (a Int64) ENGINE = MergeTree ORDER BY a").code == 0
    assert invoke(logged, "sql", "--write", "INSERT INTO scratch VALUES (41), (1)").code == 0
    assert invoke(logged, "sql", "SELECT sum(a) FROM scratch").out == '"sum(a)"\n42\n'
    assert invoke(logged, "sql", "--write", "DROP TABLE scratch").code == 0
