"""As much of Grafana's HTTP API as `push` uses. It keeps what it is given, and adds of its own what Grafana adds."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "glsa_right"
CLICKHOUSE = {"uid": "clickhouse", "name": "ClickHouse", "type": "grafana-clickhouse-datasource"}


@dataclass
class FakeGrafana:
    """Its state, and how it misbehaves."""

    url: str = ""
    version: str = "12.3.3"
    datasources: list[dict[str, Any]] = field(default_factory=lambda: [CLICKHOUSE])
    plugins: list[str] = field(default_factory=lambda: ["grafana-clickhouse-datasource"])
    folders: dict[str, Any] = field(default_factory=dict)
    dashboards: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, Any] = field(default_factory=dict)
    provisioned: set[str] = field(default_factory=set)
    forbidden: str = ""
    """The beginning of paths that this token may not use."""
    writes: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, token: str, body: Any) -> tuple[int, Any]:
        if token != f"Bearer {TOKEN}":
            return 401, {"message": "Invalid API key"}
        if self.forbidden and path.startswith(self.forbidden):
            return 403, {"message": "You'll need additional permissions to perform this action."}
        if method != "GET":
            self.writes.append(f"{method} {path}")
        parts = path.removeprefix("/api/").split("/")
        known = {
            "frontend": {"buildInfo": {"version": self.version}},
            "datasources": self.datasources,
            "plugins": [{"id": one} for one in self.plugins],
        }
        if parts[0] in known:
            return 200, known[parts[0]]
        return self._kept_things(parts, body)

    def _kept_things(self, parts: list[str], body: Any) -> tuple[int, Any]:
        if parts[:2] == ["dashboards", "uid"]:
            found = self.dashboards.get(parts[2])
            return (200, {"dashboard": found, "meta": {}}) if found else (404, {"message": "Dashboard not found"})
        if parts[:2] == ["dashboards", "db"]:
            return self._save(body)
        kept, rest = (self.folders, parts[1:]) if parts[0] == "folders" else (self.rules, parts[3:])
        return self._kept(kept, rest, body)

    def _save(self, body: Any) -> tuple[int, Any]:
        dashboard = body["dashboard"]
        if dashboard["uid"] in self.provisioned:
            return 400, {"message": "Cannot save provisioned dashboard"}
        if body["folderUid"] not in self.folders:
            return 400, {"message": "folder not found"}
        version = self.dashboards.get(dashboard["uid"], {}).get("version", 0) + 1
        self.dashboards[dashboard["uid"]] = {**dashboard, "id": 7, "version": version}
        return 200, {"status": "success"}

    def _kept(self, kept: dict[str, Any], parts: list[str], body: Any) -> tuple[int, Any]:
        if body is not None:
            kept[body["uid"]] = {**body, "id": 3, "updated": "2026-11-25T00:00:00Z"}
            return 200, kept[body["uid"]]
        found = kept.get(parts[0]) if parts else list(kept.values())
        return (200, found) if found is not None else (404, {"message": "not found"})


@contextmanager
def running() -> Iterator[FakeGrafana]:
    """A Grafana on a free port."""
    state = FakeGrafana()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            path = self.path.partition("?")[0]
            status, found = state.answer(self.command, path, self.headers.get("Authorization", ""), body)
            content = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _serve  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
