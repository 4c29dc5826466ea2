"""The server: listens and answers in a thread of its own, until it is closed."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvicorn

from runstream_analytics.serve.allowed import MOST_SECONDS
from runstream_analytics.serve.app import Application
from runstream_analytics.serve.door import Door
from runstream_analytics.serve.engine import Engine
from runstream_analytics.serve.freshness import Freshness

KEEP_ALIVE_S: Final = 30
"""As the header Keep-Alive says."""

GRACE_S: Final = 3
"""How long an answer may still take when the server is to stop."""

MOST_HEAD_BYTES: Final = 1024 * 1024
"""Of a request's line and headers: a statement may stand in the URL."""

SHARE_OF_MEMORY: Final = 4
"""One statement gets at most the machine's memory divided by this."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.create_server((host.strip("[]"), port), family=family, backlog=256)
    # Head and body of an answer are sent apart: the body would wait 40 ms for the client to acknowledge the head.
    # asyncio sets this only for sockets that name their protocol; connections inherit it from here.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return bound


def url_of(bound: socket.socket) -> str:
    """Where this machine reaches it."""
    host, port = bound.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def limits() -> dict[str, int]:
    """What one statement may use at most, as settings of the engine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"max_execution_time": MOST_SECONDS, "max_memory_usage": memory // SHARE_OF_MEMORY}


@contextmanager
def served(
    directory: Path, bound: socket.socket, door: Door, freshness: Freshness, on_trouble: Callable[[str], None]
) -> Iterator[None]:
    """Serve the open store of a directory on a socket."""
    # Its tracebacks are for nobody; the application tells what it did not expect.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    engine = Engine(directory)
    server = _Server(lambda: Application(engine, door, freshness, limits(), on_trouble))
    thread = threading.Thread(target=server.run, args=([bound],), name="runstream-serve")
    thread.start()
    try:
        server.up.wait()
        yield
    finally:
        server.should_exit = True
        thread.join()
        engine.close()


class _Server(uvicorn.Server):
    def __init__(self, make: Callable[[], Application]) -> None:
        self.up = threading.Event()
        self._make = make
        config = uvicorn.Config(
            self._application,
            factory=True,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
            h11_max_incomplete_event_size=MOST_HEAD_BYTES,
        )
        super().__init__(config)

    def _application(self) -> object:
        self.application = self._make()
        return self.application.asgi

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Nobody waits for long statements; their clients are told.
        ending = asyncio.create_task(self.application.end_all())
        await super().shutdown(sockets)
        await ending
