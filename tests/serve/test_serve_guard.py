"""What a statement may do: what reads the store runs, and nothing reaches files, the network or other clients."""

from pathlib import Path

import pytest
from serving import Served

from runstream_analytics.serve import allowed, guard, names
from runstream_analytics.serve.answer import Refused

BYPASSES = [
    "SELECT 1 INTO OUTFILE '{file}'",
    "SELECT 1 /* */ into/**/outfile '{file}' TRUNCATE",
    "SELECT 1 SETTINGS max_threads = 1 INTO OUTFILE '{file}' FORMAT CSV",
    "SELECT 1 UNION ALL SELECT 2 INTO OUTFILE '{file}'",
    "SHOW TABLES INTO OUTFILE '{file}'",
    "EXPLAIN SELECT 1 INTO OUTFILE '{file}'",
    "(SELECT 1 INTO OUTFILE '{file}')",
    "SELECT file('{secret}')",
    "SELECT `file`('{secret}')",
    "SELECT \"file\" ( '{secret}' )",
    "SELECT FILE('{secret}')",
    "SELECT f/**/ile('{secret}'), file /* x */ ('{secret}')",
    "WITH file('{secret}') AS x SELECT x",
    "WITH (SELECT file('{secret}')) AS x SELECT x",
    "SELECT arrayMap(x -> file('{secret}'), [1])",
    "SELECT * FROM view(SELECT file('{secret}'))",
    "EXPLAIN SELECT file('{secret}')",
    "EXPLAIN SYNTAX SELECT * FROM file('{secret}')",
    "SELECT arrayMap(file, ['{secret}'])",
    "SELECT arrayMap((`file`), ['{secret}'])",
    "SELECT arrayMap(file AS f, ['{secret}'])",
    "WITH x -> file(x) AS g SELECT g('{secret}')",
    "SELECT * APPLY(file) FROM (SELECT '{secret}' AS x)",
    "SELECT * APPLY(`file`) FROM (SELECT '{secret}' AS x)",
    "SELECT * APPLY(x -> file(x)) FROM (SELECT '{secret}' AS x)",
    "SELECT COLUMNS('x') APPLY(toString) APPLY(file) FROM (SELECT '{secret}' AS x)",
    "SELECT arrayMap(aiGenerate, ['x'])",
    "SELECT * FROM (SELECT 1 SETTINGS additional_result_filter = 'file(\\'{secret}\\') != \\'\\'')",
    "SELECT 1 SETTINGS additional_result_filter = 'file(\\'{secret}\\') != 1' UNION ALL SELECT 2",
    "SELECT * FROM view(SELECT 1 SETTINGS max_threads = 1)",
    "SELECT 1 IN (SELECT 1 SETTINGS final = 1, additional_result_filter = '0')",
    "EXPLAIN PIPELINE INSERT INTO FUNCTION file('{file}') SELECT 1",
    "SELECT * FROM file('{secret}', LineAsString)",
    "SELECT * FROM url('file://{secret}', LineAsString)",
    "DESCRIBE file('{secret}')",
    "DESC TABLE `url`('http://127.0.0.1:1/')",
    "DESCRIBE (SELECT * FROM s3('http://127.0.0.1:1/x'))",
    "SELECT * FROM executable('id', TabSeparated, 'x String')",
    "SELECT * FROM remote('127.0.0.1', system, one)",
    "SELECT * FROM sqlite('{file}', 'x')",
    "SELECT * FROM python('x')",
    "SELECT * FROM merge('system', '^processes$')",
    "SELECT * FROM loop(system, processes)",
    "SELECT * FROM eval('1')",
    "SELECT aiGenerate('x')",
    "SELECT * FROM system.processes",
    "SELECT * FROM `system`.`processes`",
    'SELECT * FROM "system" . "processes"',
    "SELECT 1 IN system.processes",
    "SELECT * FROM (SELECT * FROM system.users)",
    "DESCRIBE system.server_settings",
    "SHOW PROCESSLIST",
    "SHOW CREATE USER default",
    "SHOW GRANTS",
    "SELECT * FROM default.`{secret}`",
    "EXISTS TABLE default.`{secret}`",
    "SELECT 1 FORMAT Template SETTINGS format_template_resultset = '{secret}'",
    "SELECT 1 FORMAT Protobuf SETTINGS format_schema = '{secret}'",
    "SELECT 1 SETTINGS output_format_schema = '{file}'",
    "SELECT 1 SETTINGS additional_result_filter = 'file(''{secret}'') != '''''",
    "SELECT 1 SETTINGS dialect = 'kusto'",
    "SELECT 1 SETTINGS readonly = 0, allow_ddl = 1",
    "SELECT 1; SELECT file('{secret}')",
    "INSERT INTO points VALUES (1)",
    "INSERT INTO FUNCTION file('{file}') SELECT 1",
    "CREATE TABLE runstream.x (a Int8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE x (a Int8)",
    "DROP TABLE point",
    "ALTER TABLE point DELETE WHERE 1",
    "OPTIMIZE TABLE point",
    "SYSTEM SHUTDOWN",
    "SET readonly = 0",
    "USE system",
    "KILL QUERY WHERE 1",
    "CHECK TABLE point",
    "ATTACH DATABASE x",
    "BACKUP DATABASE runstream TO File('{file}')",
    "EXECUTE AS default SELECT 1",
    "SELECT 1 PARALLEL WITH SELECT 2",
]

INNOCENT = [
    "SELECT 'INTO OUTFILE', '-- file(', 'system.processes'",
    "SELECT t.file, count(t.`file`), 1 AS url FROM (SELECT 1 AS file) AS t WHERE t.file IN (1, 2) GROUP BY ALL",
    "SELECT arrayMap(upper, ['a']), * APPLY(toString) FROM (SELECT 1 AS aim, 2 AS url)",
    "SELECT 1 AS system, 2 AS format, 3 AS settings",
    "SELECT t.settings FROM (SELECT 1 AS settings) AS t",
    "WITH runs AS (SELECT 1 AS a) SELECT a FROM runs",
    "select/* INTO OUTFILE */ 1 -- file('x')",
    "SELECT $$file('x')$$, 'a\\'b', \"ü\" FROM (SELECT 1 AS `ü`)",
    "SELECT format('{} {}', 'a', 'b')",
    "SELECT * FROM numbers(3)",
    "SELECT * FROM values('a UInt8', 1, 2)",
    "SELECT * FROM view(SELECT 1)",
    "SELECT count() FROM system.tables WHERE database = 'runstream'",
    "SELECT count() FROM information_schema.tables",
    "SHOW TABLES FROM runstream",
    "SHOW DATABASES",
    "SHOW CREATE TABLE runs",
    "SHOW COLUMNS FROM runs",
    "DESCRIBE TABLE runs",
    "DESCRIBE (SELECT 1)",
    "EXISTS TABLE runs",
    "EXPLAIN SELECT 1",
    "EXPLAIN AST SELECT 1",
    "(SELECT 1) UNION ALL (SELECT 2)",
    "FROM numbers(2) SELECT number",
    "SELECT 1 SETTINGS max_execution_time = 10",
    "SELECT 1 SETTINGS max_threads = 1, max_block_size = 10 FORMAT JSON",
    "SELECT 1 FORMAT JSON SETTINGS output_format_json_quote_64bit_integers = 1",
]


@pytest.mark.parametrize("sql", BYPASSES)
def test_no_statement_reaches_files_the_network_or_other_clients(served: Served, tmp_path: Path, sql: str) -> None:
    secret, file = tmp_path / "secret.csv", tmp_path / "written"
    secret.write_text("hunter2\n")
    answer = served.ask(sql.replace("{secret}", str(secret)).replace("{file}", str(file)))
    assert answer.status >= 400
    assert answer.code in (46, 48, 62, 164, 452, 497), answer.body
    assert b"hunter2" not in answer.body
    assert not file.exists()


@pytest.mark.parametrize("sql", INNOCENT)
def test_statements_that_only_look_alike_run(served: Served, sql: str) -> None:
    answer = served.ask(sql)
    assert answer.status == 200, answer.body
    assert b"/proc/" not in answer.body


def test_a_parameter_cannot_name_a_hidden_function(served: Served, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    for name in ("file", "FILE", "`file`"):
        answer = served.ask(f"SELECT arrayMap({{f:Identifier}}, ['{secret}'])", param_f=name)
        assert answer.code in (47, 497)
        assert b"hunter2" not in answer.body


@pytest.mark.parametrize("name", ["system", "SYSTEM", "`system`", "default"])
def test_a_parameter_cannot_name_a_hidden_table(served: Served, name: str) -> None:
    answer = served.ask("SELECT * FROM {d:Identifier}.{t:Identifier}", param_d=name, param_t="processes")
    assert answer.code in (60, 497, 81)


def test_a_hidden_table_is_not_reached_through_the_database_of_the_request(served: Served) -> None:
    assert served.ask("SELECT * FROM processes", database="system").code == 497


def test_every_table_function_of_the_engine_is_refused_unless_it_is_known_to_be_harmless(served: Served) -> None:
    functions = served.text("SELECT name FROM system.table_functions").split()
    assert len(functions) > 80
    for name in functions:
        if name.lower() not in names.TABLE_FUNCTIONS:
            assert served.ask(f"SELECT * FROM {name}('x', 'y')").code in (497, 62), name


def test_no_text_setting_is_let_through_that_nobody_has_looked_at(served: Served) -> None:
    kinds = dict(line.split("\t") for line in served.text("SELECT name, type FROM system.settings").splitlines())
    for name, kind in kinds.items():
        if kind in ("String", "Map", "Char", "URI") and name not in allowed.TEXTS | allowed.IGNORED:
            with pytest.raises(Refused):
                allowed.allowed([(name, "x")], kinds, {})


@pytest.mark.parametrize(
    ("canonical", "text", "form", "settings"),
    [
        ("SELECT 1 SETTINGS a = 1, b = 'x, y' FORMAT JSON", "SELECT 1", "JSON", (("a", "1"), ("b", "x, y"))),
        ("SELECT 1 FORMAT JSON SETTINGS a = 1", "SELECT 1", "JSON", (("a", "1"),)),
        ("SELECT SETTINGS = 1 FROM (SELECT 1 AS SETTINGS)", "SELECT SETTINGS = 1 FROM (SELECT 1 AS SETTINGS)", "", ()),
        ("SELECT 'FORMAT JSON'", "SELECT 'FORMAT JSON'", "", ()),
        ("SELECT t.FORMAT FROM t", "SELECT t.FORMAT FROM t", "", ()),
        ("SHOW TABLES FORMAT CSV", "SHOW TABLES", "CSV", ()),
    ],
)
def test_format_and_settings_at_the_end_are_taken_off(
    canonical: str, text: str, form: str, settings: tuple[tuple[str, str], ...]
) -> None:
    known = guard.Known(frozenset(), frozenset())
    assert guard.judged(canonical, {}, known) == guard.Statement(text, form, settings)


@pytest.mark.parametrize(
    ("given", "limited"), [("10", "10"), ("0", "300"), ("301", "300"), ("-1", "300"), ("x", "300"), ("inf", "300")]
)
def test_nobody_gets_more_than_the_limit(given: str, limited: str) -> None:
    assert allowed.allowed([("t", given)], {"t": "Seconds"}, {"t": 300}) == (("t", limited),)
