"""The parts of a dashboard's JSON that the tests look at."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from runstream_dashboards.alerts import RULES
from runstream_dashboards.every import files

PAGES: dict[str, dict[str, Any]] = {
    name.removeprefix("dashboards/"): json.loads(text)
    for name, text in files().items()
    if name.startswith("dashboards/")
}


def panels(page: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All panels, also those in folded rows, without the headings."""
    for panel in page["panels"]:
        yield from panel.get("panels") or []
        if panel["type"] != "row":
            yield panel


def variables(page: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page["templating"]["list"]
    return found


@dataclass(frozen=True)
class Query:
    """A statement with where it stands."""

    page: str
    where: str
    sql: str
    panel: dict[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.page} · {self.where}"


def queries() -> list[Query]:
    """Every statement to ClickHouse: of panels, variables and annotations."""
    found = []
    for name, page in PAGES.items():
        title = page["title"]
        for panel in panels(page):
            for target in panel.get("targets") or []:
                if "rawSql" in target:
                    where = f"{panel['title']} ({panel['type']}) {target['refId']}"
                    found.append(Query(title, where, target["rawSql"], panel))
        for variable in variables(page):
            if variable["type"] == "query" and isinstance(variable["query"], dict):
                found.append(Query(title, f"variable {variable['name']}", variable["query"]["rawSql"]))
        for note in page.get("annotations", {}).get("list") or []:
            if "rawSql" in note.get("target", {}):
                found.append(Query(title, f"annotation {note['name']}", note["target"]["rawSql"]))
        assert name
    return found


def alert_queries() -> list[Query]:
    """Every statement to ClickHouse of an alert rule, in which nothing is expanded."""
    return [Query("Alerts", rule.title, rule.query) for rule in RULES if rule.source == "clickhouse"]
