"""A real Grafana, where one is at hand: GRAFANA_URL and GRAFANA_TOKEN name it and a service account that may edit.

Its ClickHouse data source must have the uid `clickhouse` and read a store with a few runs, such as that of the demo.
"""

import json
import os
import time
import urllib.error
import urllib.request
from typing import Any

import pytest
from asking import multi, sent
from engine import Answer
from pages import PAGES, queries

from runstream_dashboards.push import push
from runstream_dashboards.remote import RemoteGrafana

URL, TOKEN = os.environ.get("GRAFANA_URL", ""), os.environ.get("GRAFANA_TOKEN", "")

pytestmark = pytest.mark.skipif(
    not (URL and TOKEN), reason="no GRAFANA_URL and GRAFANA_TOKEN: no real Grafana was asked"
)

UIDS = {"clickhouse": "clickhouse", "prometheus": "prometheus"}


class LiveGrafana:
    """The store behind a Grafana's data source."""

    def __init__(self) -> None:
        self.known: dict[str, list[str]] = {}

    def ask(self, sql: str) -> Answer:
        """Raises AssertionError with Grafana's message."""
        datasource = {"type": "grafana-clickhouse-datasource", "uid": "clickhouse"}
        query = {"refId": "A", "datasource": datasource, "editorType": "sql", "queryType": "table", "format": 1}
        now = int(1000 * time.time())
        body = {"from": str(now - 30 * 86_400_000), "to": str(now), "queries": [{**query, "rawSql": sql}]}
        request = urllib.request.Request(
            f"{URL.rstrip('/')}/api/ds/query",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
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
def live() -> LiveGrafana:
    pushed = push(RemoteGrafana(URL, TOKEN), list(PAGES.values()), [], datasources=UIDS)
    assert pushed
    return LiveGrafana()


def test_a_second_push_to_a_real_grafana_changes_nothing(live: LiveGrafana) -> None:
    again = push(RemoteGrafana(URL, TOKEN), list(PAGES.values()), [], datasources=UIDS)
    assert {change.kind for change in again} == {"keep"}, [change for change in again if change.kind != "keep"]


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
