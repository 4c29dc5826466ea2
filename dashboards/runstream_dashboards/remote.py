"""A Grafana over HTTP, through grafana-client; what goes wrong is said with what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import niquests
from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaClientError, GrafanaException, GrafanaUnauthorizedError

from runstream_dashboards.push import CannotPush

TIMEOUT_S: Final = 20.0
"""A Grafana that has not answered by then is down."""

MESSAGE: Final = "runstream dashboards push"
"""In the history of a dashboard."""

NO_GRAFANA: Final = (ValueError, AttributeError, KeyError, TypeError)
"""What the client raises when it cannot make sense of an answer."""

FAILURES: Final = (GrafanaException, niquests.RequestException, *NO_GRAFANA)

Result = TypeVar("Result")


class RemoteGrafana:
    """The Grafana at an address."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        if not self._url.startswith(("http://", "https://")):
            raise CannotPush(f"{url!r} is no address of a Grafana: it begins with http:// or https://")
        self._api = GrafanaApi.from_url(self._url, credential=token, timeout=TIMEOUT_S)

    def version(self) -> str:
        """Like 12.3.3."""
        return str(self._ask("ask for its version", lambda: self._api.health.check()["version"]))

    def datasources(self) -> list[dict[str, Any]]:
        """All data sources that this user may see."""
        found: list[dict[str, Any]] = self._ask("list data sources", self._api.datasource.list_datasources)
        return found

    def plugin(self, plugin_id: str) -> bool:
        """Whether a plugin is installed."""
        found = self._ask("list plugins", self._api.plugin.list)
        return any(plugin["id"] == plugin_id for plugin in found)

    def folder(self, uid: str) -> dict[str, Any] | None:
        """A folder."""
        return self._found("read folders", lambda: self._api.folder.get_folder(uid))

    def create_folder(self, uid: str, title: str) -> None:
        """Make a folder."""
        self._ask("create folders", lambda: self._api.folder.create_folder(title, uid))

    def dashboard(self, uid: str) -> dict[str, Any] | None:
        """A dashboard's JSON."""
        found = self._found("read dashboards", lambda: self._api.dashboard.get_dashboard(uid))
        return None if found is None else found["dashboard"]

    def save_dashboard(self, dashboard: Mapping[str, Any], folder_uid: str) -> None:
        """Make or replace a dashboard."""
        body = {"dashboard": dict(dashboard), "folderUid": folder_uid, "overwrite": True, "message": MESSAGE}
        self._ask(f"save the dashboard {dashboard['title']}", lambda: self._api.dashboard.update_dashboard(body))

    def rule(self, uid: str) -> dict[str, Any] | None:
        """An alert rule."""
        return self._found("read alert rules", lambda: self._api.alertingprovisioning.get_alertrule(uid))

    def save_rule(self, rule: Mapping[str, Any], *, new: bool) -> None:
        """Make or replace an alert rule, which people may still change in Grafana."""
        rules = self._api.alertingprovisioning
        what = f"save the alert rule {rule['title']}"
        if new:
            self._ask(what, lambda: rules.create_alertrule(dict(rule), disable_provenance=True))
        else:
            self._ask(what, lambda: rules.update_alertrule(rule["uid"], dict(rule), disable_provenance=True))

    def _found(self, what: str, request: Callable[[], Any]) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = request()
        except GrafanaClientError as error:
            if error.status_code == 404:
                return None
            raise self._failed(what, error) from error
        except FAILURES as error:
            raise self._failed(what, error) from error
        return found

    def _ask(self, what: str, request: Callable[[], Result]) -> Result:
        try:
            return request()
        except FAILURES as error:
            raise self._failed(what, error) from error

    def _failed(self, what: str, error: Exception) -> CannotPush:
        if isinstance(error, GrafanaUnauthorizedError):
            return CannotPush(f"{self._url} does not know this token: make one for a service account, role Editor")
        if isinstance(error, GrafanaException) and error.status_code == 403:
            return CannotPush(f"this token may not {what}: its service account needs the role Editor")
        if isinstance(error, GrafanaException) and error.status_code:
            hint = "; it was loaded from a file, which has to go first" if "provisioned" in str(error) else ""
            return CannotPush(f"{self._url} does not let us {what}: {error}{hint}")
        if isinstance(error, NO_GRAFANA) and not isinstance(error, niquests.RequestException):
            return CannotPush(f"what answers at {self._url} is no Grafana, or not its root address")
        return CannotPush(f"{self._url} is not reached: {_cause(error)}")


def _cause(error: BaseException) -> str:
    text = str(error).partition("(Caused by ")[2].rstrip(")") or str(error)
    return text[:300] or type(error).__name__
