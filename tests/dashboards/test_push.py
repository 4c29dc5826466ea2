"""Bringing dashboards to a Grafana that is there: only what differs is changed, and what is wrong is named."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import fake_grafana
import pytest
from fake_grafana import TOKEN, FakeGrafana
from hypothesis import given
from hypothesis import strategies as st
from pages import PAGES

from runstream_dashboards.push import held
from runstream_schemas.exit_codes import ExitCode


@pytest.fixture
def grafana() -> Iterator[FakeGrafana]:
    with fake_grafana.running() as found:
        yield found


def push(url: str, *words: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
    code = "from runstream_analytics.cli.app import main; main()"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RUNSTREAM_")}
    done = subprocess.run(
        [sys.executable, "-c", code, "dashboards", "push", "--url", url, *words],
        capture_output=True,
        text=True,
        env={**environ, "RUNSTREAM_GRAFANA_TOKEN": token},
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert token not in done.stdout + done.stderr or not token
    return done


def changes(done: subprocess.CompletedProcess[str]) -> set[tuple[str, str]]:
    assert done.returncode == 0, done.stderr
    return {(one["change"], one["name"]) for one in json.loads(done.stdout)}


def test_a_second_push_changes_nothing(grafana: FakeGrafana) -> None:
    first = changes(push(grafana.url, "--json"))
    assert {kind for kind, _ in first} == {"create"}
    assert {page["title"] for page in PAGES.values()} <= {name for _, name in first}
    assert set(grafana.dashboards) == {page["uid"] for page in PAGES.values()}
    grafana.writes.clear()
    assert changes(push(grafana.url, "--json")) == {("keep", name) for _, name in first}
    assert grafana.writes == []


def test_what_somebody_changed_is_shown_by_a_dry_run_and_put_right_by_a_push(grafana: FakeGrafana) -> None:
    push(grafana.url)
    grafana.dashboards["runstream-runs"]["panels"][0]["title"] = "mine"
    grafana.writes.clear()
    shown = push(grafana.url, "--dry-run")
    assert '-   "title": "mine"' in shown.stdout + shown.stderr
    assert grafana.writes == []
    assert ("change", "Runs") in changes(push(grafana.url, "--json"))
    assert grafana.writes == ["POST /api/dashboards/db"]
    assert grafana.dashboards["runstream-runs"]["panels"][0]["title"] != "mine"


def test_a_dry_run_on_an_empty_grafana_writes_nothing(grafana: FakeGrafana) -> None:
    done = push(grafana.url, "--dry-run")
    assert (done.returncode, grafana.writes, grafana.dashboards) == (0, [], {})
    assert "create dashboard Runs" in done.stdout + done.stderr


def test_dashboards_point_to_the_data_source_that_is_named(grafana: FakeGrafana) -> None:
    grafana.datasources = [{"uid": "ch-7", "name": "store", "type": "grafana-clickhouse-datasource"}]
    refused = push(grafana.url)
    assert refused.returncode == ExitCode.INCOMPLETE
    assert "--clickhouse: ch-7 (store)" in refused.stderr
    changes(push(grafana.url, "--json", "--clickhouse", "ch-7"))
    (variable,) = [
        one for one in grafana.dashboards["runstream-runs"]["templating"]["list"] if one["name"] == "datasource"
    ]
    assert variable["current"]["value"] == "ch-7"


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        ({"version": "11.5.2"}, "this Grafana is 11.5.2, and the dashboards need 11.6 or later"),
        ({"datasources": [], "plugins": []}, "the plugin grafana-clickhouse-datasource is not installed: `grafana cli"),
        ({"datasources": []}, "there is no ClickHouse data source: add one with the uid 'clickhouse'"),
        (
            {"provisioned": {"runstream-runs"}},
            "save the dashboard Runs: Cannot save provisioned dashboard; it was loaded from a file",
        ),
        ({"forbidden": "/api/folders"}, "this token may not read folders: its service account needs the role Editor"),
    ],
)
def test_what_is_wrong_with_a_grafana_is_named_with_the_remedy(
    trouble: dict[str, Any], says: str, grafana: FakeGrafana
) -> None:
    for name, value in trouble.items():
        setattr(grafana, name, value)
    done = push(grafana.url)
    assert done.returncode == ExitCode.INCOMPLETE
    assert says in done.stderr.replace("\n", " ")


def test_a_wrong_token_and_a_wrong_address_are_told_apart(grafana: FakeGrafana) -> None:
    assert "does not know this token" in push(grafana.url, token="glsa_wrong").stderr
    assert "no token: give --token" in push(grafana.url, token="").stderr
    assert "is no address of a Grafana" in push("grafana.example.org").stderr
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        assert "is not reached" in push(f"http://127.0.0.1:{nobody.getsockname()[1]}").stderr


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(json_values, st.dictionaries(st.text(min_size=4, max_size=6), st.integers(), min_size=1))
def test_what_grafana_adds_of_its_own_is_no_difference(wanted: Any, added: dict[str, int]) -> None:
    def grown(value: Any) -> Any:
        if isinstance(value, dict):
            return {**added, **{key: grown(one) for key, one in value.items()}}
        return [grown(one) for one in value] if isinstance(value, list) else value

    assert held(wanted, grown(wanted)) == wanted


@given(json_values, json_values)
def test_what_differs_is_a_difference(wanted: Any, found: Any) -> None:
    if held(wanted, found) == wanted:
        assert held(found, wanted) == found or isinstance(wanted, dict | list)
