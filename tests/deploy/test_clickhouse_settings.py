import json
from pathlib import Path
from uuid import UUID
from xml.etree import ElementTree

import pytest

from deploy.clickhouse_process import DEPLOY, answers
from runstream_ingest.free import BULK_TABLES
from runstream_schemas.tables import migrations

DENIED = "error 497"
READ_ONLY = "error 164"
FORBIDDEN = "error 452"

SYSTEM_LOGS = {
    "asynchronous_metric_log", "background_schedule_pool_log", "error_log", "latency_log", "metric_log", "part_log",
    "processors_profile_log", "query_log", "query_metric_log", "query_thread_log", "query_views_log", "text_log",
    "trace_log",
}  # fmt: skip
"""Sections of the server that no table lists; from its documentation."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with our tables, made by the administrator."""
    directory = tmp_path_factory.mktemp("clickhouse")
    statements = [statement for migration in migrations() for statement in migration.statements]
    made = answers(directory, ["CREATE DATABASE runstream", "USE runstream", *statements])
    assert [answer for answer in made if answer.startswith("error")] == []
    return directory


def as_user(user: str, select: str) -> list[str]:
    """Statements that run a SELECT with the rights of a user: those of a view are its definer's."""
    view = f"CREATE OR REPLACE VIEW default.asked DEFINER = {user} SQL SECURITY DEFINER AS {select}"
    return [view, "SELECT count() >= 0 FROM default.asked"]


def test_every_server_setting_is_known_to_the_engine(tmp_path: Path) -> None:
    known = set(answers(tmp_path, ["SELECT name FROM system.server_settings"])[0].splitlines())
    sections = {name.partition(".")[0] for name in known}
    given = {element.tag for element in ElementTree.parse(DEPLOY / "config.d/runstream.xml").getroot()}
    assert given - known - sections == SYSTEM_LOGS


def test_every_setting_of_a_profile_is_known_to_the_engine(tmp_path: Path) -> None:
    [known] = answers(tmp_path, ["SELECT name FROM system.settings"])
    [in_force] = answers(tmp_path, ["SELECT name FROM system.settings WHERE changed"], profile="runstream_grafana")
    [profile] = ElementTree.parse(DEPLOY / "users.d/runstream.xml").getroot().find("profiles") or []
    given = {element.tag for element in profile} - {"constraints"}
    assert given <= set(in_force.splitlines())
    assert {element.tag for element in profile.find("constraints") or []} <= set(known.splitlines())


def test_users_are_the_administrator_inside_and_three_with_passwords(tmp_path: Path) -> None:
    query = "SELECT name, auth_type[1], host_ip, host_names FROM system.users ORDER BY name"
    users = [line.split("\t") for line in answers(tmp_path, [query])[0].splitlines()]
    assert users == [
        # The engine shows 127.0.0.1 and ::1 as localhost.
        ["default", "plaintext_password", "[]", "['localhost']"],
        *(
            [name, "plaintext_password", "['::/0']", "[]"]
            for name in ("grafana", "runstream_ingest", "runstream_migrate")
        ),
    ]


def test_grafana_reads_every_view_and_table(store: Path) -> None:
    query = (
        "SELECT name FROM system.tables WHERE database = 'runstream' AND engine != 'Null' "
        "AND parameterized_view_parameters = []"
    )
    [names] = answers(store, [query])
    assert {"runs", "points", "metric_summary", "ledger"} <= set(names.split())
    views = [line for name in names.split() for line in as_user("grafana", f"SELECT * FROM runstream.{name}")]
    # As the data source does: diagnosis and rank_progress read views with parameters, which are found only there.
    statements = ["USE runstream", *views]
    assert [answer for answer in answers(store, statements) if answer.startswith("error")] == []


VALUES = {
    "metric": "'m'",
    "points": "10",
    "runs": f"['{UUID(int=0)}']",
    "run": f"'{UUID(int=0)}'",
    "step_min": "0",
    "step_max": "9",
    "half_life": "1",
    "by_time": "true",
}
"""For the parameters of the views that charts read."""


def test_grafana_reads_every_chart(store: Path) -> None:
    query = (
        "SELECT name, arrayMap(p -> p.1, parameterized_view_parameters) FROM system.tables "
        "WHERE database = 'runstream' AND parameterized_view_parameters != [] FORMAT JSONCompactEachRow"
    )
    views = dict(json.loads(line) for line in answers(store, [query])[0].splitlines())
    # The others are what these are made of.
    charts = {name: names for name, names in views.items() if set(names) <= set(VALUES)}
    assert {"chart", "chart_band", "chart_by_rank", "chart_ranks"} <= set(charts)
    statements = ["USE runstream"]  # as the data source does; a view with parameters finds others only there
    for name, names in charts.items():
        given = ", ".join(f"{parameter} = {VALUES[parameter]}" for parameter in names)
        statements += as_user("grafana", f"SELECT * FROM runstream.{name}({given})")
    assert [answer for answer in answers(store, statements) if answer.startswith("error")] == []


@pytest.mark.parametrize(
    "select",
    [
        "SELECT * FROM default.secret",
        "SELECT * FROM system.users",
        "SELECT * FROM system.query_log",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'TSV', 'a Int8')",
        "SELECT * FROM remote('127.0.0.1', 'default.secret')",
    ],
)
@pytest.mark.parametrize("user", ["grafana", "runstream_ingest", "runstream_migrate"])
def test_no_user_reads_anything_else(store: Path, user: str, select: str) -> None:
    made = "CREATE TABLE IF NOT EXISTS default.secret (a Int8) ENGINE = MergeTree ORDER BY a"
    assert DENIED in answers(store, [made, *as_user(user, select)])


@pytest.mark.parametrize(
    ("user", "outcome"), [("runstream_ingest", ""), ("runstream_migrate", ""), ("grafana", DENIED)]
)
def test_who_inserts(store: Path, user: str, outcome: str) -> None:
    """A materialized view writes with the rights of its definer."""
    *made, inserted = answers(
        store,
        [
            "DROP VIEW IF EXISTS runstream.feeder",
            "CREATE TABLE IF NOT EXISTS runstream.feed AS runstream.log_position ENGINE = Null",
            f"CREATE MATERIALIZED VIEW runstream.feeder TO runstream.log_position DEFINER = {user} "
            "SQL SECURITY DEFINER AS SELECT * FROM runstream.feed",
            "INSERT INTO runstream.feed (file) SELECT 'a'",
        ],
    )
    assert (made, inserted) == (["", "", ""], outcome)


def test_rights_are_no_more_than_each_user_needs(tmp_path: Path) -> None:
    users = ("grafana", "runstream_ingest", "runstream_migrate")
    grants = answers(tmp_path, [f"SHOW GRANTS FOR {user}" for user in users])
    assert [sorted(text.splitlines()) for text in grants] == [
        ["GRANT SELECT ON runstream.* TO grafana"],
        [
            *(
                f"GRANT ALTER DELETE ON runstream.{table} TO runstream_ingest"
                for table in ("dead_letter", *BULK_TABLES)
            ),
            "GRANT CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW ON runstream.probe_* TO runstream_ingest",
            "GRANT SELECT, INSERT ON runstream.* TO runstream_ingest",
        ],
        [
            "GRANT SELECT, INSERT, ALTER TABLE, ALTER DATABASE, ALTER VIEW, CREATE DATABASE, CREATE TABLE, "
            "CREATE VIEW, DROP TABLE, DROP VIEW, OPTIMIZE ON runstream.* TO runstream_migrate"
        ],
    ]


def test_grafana_cannot_write_or_lift_its_limits_but_may_set_what_the_plugin_sets(store: Path) -> None:
    refused = {
        "INSERT INTO runstream.log_position (file) VALUES ('x')": READ_ONLY,
        "DROP TABLE runstream.point": READ_ONLY,
        "SET readonly = 0": READ_ONLY,
        "SET max_execution_time = 0": FORBIDDEN,
        "SET max_execution_time = 61": FORBIDDEN,
        "SELECT 1 SETTINGS max_memory_usage = 0": FORBIDDEN,
        "SELECT 1 SETTINGS max_memory_usage_for_user = 0": FORBIDDEN,
        "SELECT 1 SETTINGS max_result_rows = 0": FORBIDDEN,
        "SELECT 1 SETTINGS max_rows_to_read = 0": FORBIDDEN,
        "SELECT 1 SETTINGS result_overflow_mode = 'break'": FORBIDDEN,
        "SELECT 1 SETTINGS timeout_overflow_mode = 'break'": FORBIDDEN,
        "SELECT number FROM numbers(2000000)": "error 396",
        "SELECT count() FROM numbers(5000000000)": "error 158",
    }
    allowed = "SELECT 1 SETTINGS max_execution_time = 60, max_block_size = 65409, additional_table_filters = {}"
    # A refusal in the middle of an answer leaves its beginning to the next one, so what is allowed comes first.
    first, *given = answers(store, [allowed, *refused], profile="runstream_grafana")
    assert first == "1"
    assert dict(zip(refused, given, strict=True)) == refused


def test_leaving_the_profile_lifts_no_limit(store: Path) -> None:
    left, written, limit = answers(
        store,
        ["SET profile = 'default'", "INSERT INTO runstream.log_position (file) VALUES ('x')",
         "SELECT 1 SETTINGS max_execution_time = 0"],
        profile="runstream_grafana",
    )  # fmt: skip
    assert (written, limit) == (READ_ONLY, FORBIDDEN), left
