"""Brings folder, dashboards and alert rules to a Grafana that is there already, and changes only what differs."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from runstream_dashboards.sources import CLICKHOUSE_TYPE

OLDEST: Final = (11, 6)
"""What the ClickHouse data source needs."""

FOLDER_UID: Final = "runstream"
FOLDER_TITLE: Final = "runstream"


class CannotPush(Exception):
    """Grafana does not take it; the message says why and what to do."""


class Grafana(Protocol):
    """What is asked of a Grafana. Methods raise CannotPush; those that look for one thing give None without it."""

    def version(self) -> str:
        """Like 12.3.3."""

    def datasources(self) -> list[dict[str, Any]]:
        """All data sources that this user may see."""

    def plugin(self, plugin_id: str) -> bool:
        """Whether a plugin is installed."""

    def folder(self, uid: str) -> dict[str, Any] | None:
        """A folder."""

    def create_folder(self, uid: str, title: str) -> None:
        """Make a folder."""

    def dashboard(self, uid: str) -> dict[str, Any] | None:
        """A dashboard's JSON."""

    def save_dashboard(self, dashboard: Mapping[str, Any], folder_uid: str) -> None:
        """Make or replace a dashboard."""

    def rule(self, uid: str) -> dict[str, Any] | None:
        """An alert rule."""

    def save_rule(self, rule: Mapping[str, Any], *, new: bool) -> None:
        """Make or replace an alert rule."""


@dataclass(frozen=True)
class Change:
    """What is to be done about one thing, or was."""

    kind: str
    """create, change or keep."""
    what: str
    """folder, dashboard or alert rule."""
    name: str
    difference: str = ""
    """Lines of the JSON that change."""


def push(
    grafana: Grafana,
    dashboards: Sequence[Mapping[str, Any]],
    rules: Sequence[Mapping[str, Any]],
    *,
    datasources: Mapping[str, str],
    dry_run: bool = False,
) -> list[Change]:
    """Make Grafana show these dashboards and rules. Raises CannotPush.

    `datasources` maps the uids that they name to those that are wanted here.
    """
    _check_version(grafana.version())
    _check_datasource(grafana, datasources["clickhouse"])
    changes = [Change("keep" if grafana.folder(FOLDER_UID) else "create", "folder", FOLDER_TITLE)]
    if changes[0].kind == "create" and not dry_run:
        grafana.create_folder(FOLDER_UID, FOLDER_TITLE)
    for dashboard in dashboards:
        wanted = _pointed(dashboard, datasources)
        change = _compared("dashboard", wanted["title"], wanted, grafana.dashboard(wanted["uid"]))
        changes.append(change)
        if change.kind != "keep" and not dry_run:
            grafana.save_dashboard(wanted, FOLDER_UID)
    for rule in rules:
        wanted = {**_pointed(rule, datasources), "folderUID": FOLDER_UID}
        change = _compared("alert rule", wanted["title"], wanted, grafana.rule(wanted["uid"]))
        changes.append(change)
        if change.kind != "keep" and not dry_run:
            grafana.save_rule(wanted, new=change.kind == "create")
    return changes


def held(wanted: Any, found: Any) -> Any:
    """What `found` has for what is wanted: Grafana adds versions, ids and defaults of its own, which do not count."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return {key: held(value, found[key]) for key, value in wanted.items() if key in found}
    if isinstance(wanted, list) and isinstance(found, list):
        return [held(one, other) for one, other in zip(wanted, found, strict=False)] + found[len(wanted) :]
    return found


def _compared(what: str, name: str, wanted: Mapping[str, Any], found: Mapping[str, Any] | None) -> Change:
    if found is None:
        return Change("create", what, name)
    before, after = _lines(held(wanted, found)), _lines(wanted)
    difference = "\n".join(difflib.unified_diff(before, after, "there", "here", lineterm="", n=2))
    return Change("change" if difference else "keep", what, name, difference)


def _lines(value: Any) -> list[str]:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).splitlines()


def _pointed(value: Any, datasources: Mapping[str, str]) -> Any:
    """The same with the data sources of this Grafana: in variables of dashboards, and in queries of rules."""
    if isinstance(value, Mapping):
        made = {key: _pointed(one, datasources) for key, one in value.items()}
        if made.get("type") == "datasource" and isinstance(made.get("current"), dict):
            uid = datasources.get(made["current"]["value"], made["current"]["value"])
            made["current"] = {**made["current"], "value": uid}
        if "datasourceUid" in made:
            made["datasourceUid"] = datasources.get(made["datasourceUid"], made["datasourceUid"])
        return made
    if isinstance(value, list):
        return [_pointed(one, datasources) for one in value]
    return value


def _check_version(version: str) -> None:
    parts = version.split("-", maxsplit=1)[0].split(".")
    if all(part.isdigit() for part in parts[:2]) and tuple(map(int, parts[:2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise CannotPush(f"this Grafana is {version}, and the dashboards need {oldest} or later: upgrade it")


def _check_datasource(grafana: Grafana, uid: str) -> None:
    found = grafana.datasources()
    if any(one["uid"] == uid and one["type"] == CLICKHOUSE_TYPE for one in found):
        return
    others = [f"{one['uid']} ({one['name']})" for one in found if one["type"] == CLICKHOUSE_TYPE]
    if others:
        listed = ", ".join(others)
        raise CannotPush(f"no ClickHouse data source has the uid {uid!r}; name one with --clickhouse: {listed}")
    if not grafana.plugin(CLICKHOUSE_TYPE):
        raise CannotPush(
            f"the plugin {CLICKHOUSE_TYPE} is not installed: `grafana cli plugins install {CLICKHOUSE_TYPE}`, restart "
            "Grafana, and add a data source of it"
        )
    raise CannotPush(
        f"there is no ClickHouse data source: add one with the uid {uid!r} (protocol HTTP, default database runstream, "
        "a user that may only read), see docs/dashboards.md"
    )
