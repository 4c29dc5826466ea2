"""A Grafana over HTTP; what goes wrong is said with what to do.

Not through grafana-client: since its version 4 it brings a fork of urllib3 that takes the place of urllib3 itself in an
environment, and breaks the client of ClickHouse there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import urllib3

from runstream_dashboards.push import CannotPush

TIMEOUT_S: Final = 20.0
"""A Grafana that has not answered by then is down."""

MESSAGE: Final = "runstream dashboards push"
"""In the history of a dashboard."""

RULES: Final = "/api/v1/provisioning/alert-rules"

EDITABLE: Final = {"X-Disable-Provenance": "true"}
"""People may still change in Grafana what was sent with it."""


class RemoteGrafana:
    """The Grafana at an address, as a service account."""

    def __init__(self, url: str, token: str) -> None:
        """Raises CannotPush for what is no address."""
        self._url = url.rstrip("/")
        if not self._url.startswith(("http://", "https://")):
            raise CannotPush(f"{url!r} is no address of a Grafana: it begins with http:// or https://")
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._pool = urllib3.PoolManager(timeout=TIMEOUT_S, retries=False)

    def version(self) -> str:
        """Like 12.3.3."""
        found = self._ask("GET", "/api/frontend/settings", "ask for its version")
        version = found.get("buildInfo", {}).get("version") if isinstance(found, dict) else None
        if not version:
            raise self._no_grafana()
        return str(version)

    def datasources(self) -> list[dict[str, Any]]:
        """All data sources that this user may see."""
        found: list[dict[str, Any]] = self._ask("GET", "/api/datasources", "list data sources")
        return found

    def plugin(self, plugin_id: str) -> bool:
        """Whether a plugin is installed."""
        return any(plugin["id"] == plugin_id for plugin in self._ask("GET", "/api/plugins", "list plugins"))

    def folder(self, uid: str) -> dict[str, Any] | None:
        """A folder."""
        return self._found(f"/api/folders/{quote(uid)}", "read folders")

    def create_folder(self, uid: str, title: str) -> None:
        """Make a folder."""
        self._ask("POST", "/api/folders", "create folders", {"uid": uid, "title": title})

    def dashboard(self, uid: str) -> dict[str, Any] | None:
        """A dashboard's JSON."""
        found = self._found(f"/api/dashboards/uid/{quote(uid)}", "read dashboards")
        return None if found is None else found["dashboard"]

    def save_dashboard(self, dashboard: Mapping[str, Any], folder_uid: str) -> None:
        """Make or replace a dashboard."""
        body = {"dashboard": dashboard, "folderUid": folder_uid, "overwrite": True, "message": MESSAGE}
        self._ask("POST", "/api/dashboards/db", f"save the dashboard {dashboard['title']}", body)

    def rule(self, uid: str) -> dict[str, Any] | None:
        """An alert rule."""
        return self._found(f"{RULES}/{quote(uid)}", "read alert rules")

    def save_rule(self, rule: Mapping[str, Any], *, new: bool) -> None:
        """Make or replace an alert rule."""
        path = RULES if new else f"{RULES}/{quote(rule['uid'])}"
        self._ask("POST" if new else "PUT", path, f"save the alert rule {rule['title']}", rule, EDITABLE)

    def _found(self, path: str, what: str) -> dict[str, Any] | None:
        status, found = self._request("GET", path)
        if status == 404:
            return None
        self._check(status, found, what)
        answer: dict[str, Any] = found
        return answer

    def _ask(
        self, method: str, path: str, what: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        status, found = self._request(method, path, body, headers)
        self._check(status, found, what)
        return found

    def _request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        own = {**self._headers, **(headers or {})}
        try:
            answer = self._pool.request(method, self._url + path, json=body, headers=own)
        except urllib3.exceptions.HTTPError as error:
            raise CannotPush(f"{self._url} is not reached: {str(error)[:300] or type(error).__name__}") from error
        try:
            return answer.status, json.loads(answer.data) if answer.data else None
        except ValueError as error:
            raise self._no_grafana() from error

    def _check(self, status: int, found: Any, what: str) -> None:
        if status < 400:
            return
        if status == 401:
            raise CannotPush(f"{self._url} does not know this token: make one for a service account, role Editor")
        if status == 403:
            raise CannotPush(f"this token may not {what}: its service account needs the role Editor")
        message = found.get("message", "") if isinstance(found, dict) else ""
        hint = "; it was loaded from a file, which has to go first" if "provisioned" in message else ""
        raise CannotPush(f"{self._url} does not let us {what}: {message or status}{hint}")

    def _no_grafana(self) -> CannotPush:
        return CannotPush(f"what answers at {self._url} is no Grafana, or not its root address")
