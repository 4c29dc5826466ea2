"""A real Grafana: the one that GRAFANA_URL and GRAFANA_TOKEN name, else one in a container, where Docker answers.

The token is that of a service account that may edit. A Grafana that is named has a ClickHouse data source with the uid
`clickhouse`, on a store with a few runs, such as that of the demo. The one in a container asks `runstream serve`.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grafana_container
import pytest
from asking import multi, sent
from engine import Answer, command
from pages import PAGES, queries

from broker import container
from runstream_dashboards.push import Change, push
from runstream_dashboards.remote import RemoteGrafana

sys.path.insert(0, str(Path(__file__).parent.parent / "serve"))

from serving import serving

URL, TOKEN = os.environ.get("GRAFANA_URL", ""), os.environ.get("GRAFANA_TOKEN", "")

UIDS = {"clickhouse": "clickhouse", "prometheus": "prometheus"}

SECRET = "0123456789abcdef0123456789abcdef"
"""Of the container's Grafana and of the server that it asks; both end with the tests."""

pytestmark = pytest.mark.timeout(2 * grafana_container.START_S)


class LiveGrafana:
    """The store behind a Grafana's data source."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self.token = token
        self.known: dict[str, list[str]] = {}

    def push(self) -> list[Change]:
        """Bring all dashboards."""
        return push(RemoteGrafana(self.url, self.token), list(PAGES.values()), [], datasources=UIDS)

    def ask(self, sql: str) -> Answer:
        """Raises AssertionError with Grafana's message."""
        datasource = {"type": "grafana-clickhouse-datasource", "uid": "clickhouse"}
        query = {"refId": "A", "datasource": datasource, "editorType": "sql", "queryType": "table", "format": 1}
        now = int(1000 * time.time())
        body = {"from": str(now - 30 * 86_400_000), "to": str(now), "queries": [{**query, "rawSql": sql}]}
        request = urllib.request.Request(
            f"{self.url}/api/ds/query",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                found: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()[:2000]) from None
        frames = found["results"]["A"].get("frames") or []
        if not frames:
            return Answer([], [], [])
        fields, columns = frames[0]["schema"]["fields"], frames[0]["data"]["values"]
        names, types = [field["name"] for field in fields], [field["type"] for field in fields]
        return Answer(names, types, [list(row) for row in zip(*columns, strict=True)])


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGrafana]:
    if URL and TOKEN:
        yield LiveGrafana(URL, TOKEN)
        return
    if why := container.missing():
        pytest.skip(f"no GRAFANA_URL and GRAFANA_TOKEN, and {why}: no real Grafana was asked")
    directory = tmp_path_factory.mktemp("live")
    demo(directory)
    uids = [page["uid"] for page in PAGES.values()]
    with serving(directory, "--host", "0.0.0.0", RUNSTREAM_SERVE_TOKEN=SECRET) as served:
        served.await_load()
        chosen = grafana_container.settings(directory / "datasources", served.port, SECRET)
        with grafana_container.started(chosen, SECRET, uids) as (url, token):
            yield LiveGrafana(url, token)


def demo(directory: Path) -> None:
    """The demo's runs, where a server looks for them that is started there."""
    command(directory, "demo")
    (directory / ".demo").rename(directory / ".runstream")


def test_the_container_is_that_of_docker_compose(tmp_path: Path) -> None:
    chosen = grafana_container.settings(tmp_path / "datasources", 12345, "secret")
    assert chosen.image.startswith("grafana/grafana:12.")
    assert chosen.environment["GF_PLUGINS_PREINSTALL_SYNC"].startswith("grafana-clickhouse-datasource@4.")
    assert chosen.environment["GF_SECURITY_ADMIN_PASSWORD"] == "secret"
    assert chosen.environment["CLICKHOUSE_GRAFANA_PASSWORD"] == "secret"
    assert chosen.mounts[tmp_path / "datasources"] == "/etc/grafana/provisioning/datasources"
    assert "/etc/grafana/dashboards" in chosen.mounts.values()
    assert all(source.is_dir() for source in chosen.mounts)
    assert "port: 12345\n" in (tmp_path / "datasources" / "clickhouse.yml").read_text()


def test_a_second_push_to_a_real_grafana_changes_nothing(live: LiveGrafana) -> None:
    assert live.push()
    assert [change for change in live.push() if change.kind != "keep"] == []


def test_a_real_grafana_gets_an_answer_to_every_query(live: LiveGrafana) -> None:
    ((run,),) = live.ask("SELECT toString(run_id) FROM runs ORDER BY started LIMIT 1").rows
    failed = {}
    for query in queries():
        try:
            live.ask(sent(query, live, run=[run] if multi(query.page, "run") else run))
        except AssertionError as error:
            failed[str(query)] = str(error)
    assert failed == {}


def test_macros_of_the_data_source_are_expanded_by_its_backend(live: LiveGrafana) -> None:
    assert live.ask("SELECT count() AS runs FROM runs WHERE $__timeFilter(started)").names == ["runs"]
