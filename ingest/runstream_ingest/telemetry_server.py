"""`/metrics` for Prometheus and `/healthz` for whoever restarts a worker, from a background thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from runstream_ingest.health import Health
from runstream_ingest.metrics import REGISTRY


def serve(host: str, port: int, health: Health) -> int:
    """Serve until the process ends; gives the port, a free one when 0 is asked for. Raises OSError when it is taken."""
    server = make_server(host, port, application(health), ThreadingWSGIServer, handler_class=_Quiet)
    threading.Thread(target=server.serve_forever, name="runstream-telemetry", daemon=True).start()
    return server.server_port


def application(health: Health) -> Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]:
    """The WSGI application."""
    metrics = make_wsgi_app(REGISTRY)

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            body: Iterable[bytes] = metrics(environ, start_response)
            return body
        if path == "/healthz":
            trouble = health.trouble()
            status, text = ("503 Service Unavailable", trouble) if trouble else ("200 OK", "ok")
        else:
            status, text = "404 Not Found", "here are /metrics and /healthz"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{text}\n".encode()]

    return answer


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """A line for each scrape would bury the worker's own."""
