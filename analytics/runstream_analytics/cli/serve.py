"""`runstream serve`: the embedded store over ClickHouse's HTTP protocol."""

from __future__ import annotations

import os
import socket
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Final

import typer

from runstream_analytics.cli import options, terminal
from runstream_analytics.errors import UserError
from runstream_schemas.exit_codes import ExitCode

if TYPE_CHECKING:
    from runstream_schemas.settings import Settings

TOKEN_VARIABLE: Final = "RUNSTREAM_SERVE_TOKEN"

PACKAGES: Final = ("uvicorn", "starlette", "lz4", "clickhouse_cityhash", "chdb", "clickhouse_connect")
"""What the extra `serve` installs."""

HELP: Final = """\
Serve the embedded store over ClickHouse's HTTP protocol, read-only, and load the log meanwhile.

Grafana's ClickHouse data source (protocol HTTP), clickhouse-connect, @clickhouse/client, DBeaver and curl can then read
a laptop's runs; other commands ask this one instead of waiting for the store. Runs until SIGTERM or Ctrl-C.
docs/serve.md shows how each client connects.

\b
Examples:
  runstream serve
  runstream serve --port 9123 --dir /scratch/sweep/.runstream
  runstream serve --host 0.0.0.0    # with a token in RUNSTREAM_SERVE_TOKEN
"""


def serve(
    host: Annotated[
        str,
        typer.Option(
            "--host", metavar="ADDRESS", help="Address to listen at; any but this machine's own wants a token."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen at; 0 takes a free one.")
    ] = 8123,
    token: Annotated[
        str | None,
        typer.Option(
            "--token", metavar="TEXT", help=f"The password of every user. Better in {TOKEN_VARIABLE}: others see flags."
        ),
    ] = None,
    directory: options.DirOption = None,
    url: options.UrlOption = None,
    store: options.StoreOption = None,
) -> None:
    """Serve the embedded store over ClickHouse's HTTP protocol, read-only, and load the log meanwhile."""
    settings = options.settings_from(directory, url, store)
    _check_installed()
    token = token if token is not None else os.environ.get(TOKEN_VARIABLE, "")
    _check(settings, host, token)

    from runstream_analytics.serve import server

    try:
        bound = server.listen(host, port)
    except OSError as error:
        why = f"cannot listen at {host}:{port}: {error.strerror or error}"
        raise UserError(f"{why}; name another one with --port, or --port 0 for any that is free") from error
    with bound:
        _serve(settings, bound, token, only_local=_local(host))


def _check_installed() -> None:
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        why = f"serving needs {', '.join(missing)}; pip install 'runstream[serve]' brings it"
        raise UserError(why, ExitCode.STORE_FAILED)


def _local(host: str) -> bool:
    from runstream_analytics.serve.door import is_loopback

    return is_loopback(host)


def _check(settings: Settings, host: str, token: str) -> None:
    from runstream_ingest.announcement import serving

    if settings.store_dir is None:
        raise UserError("the store is a ClickHouse server, which speaks HTTP itself: point clients at it")
    found = serving(settings.store_dir)
    if found is not None:
        raise UserError(f"process {found.pid} serves this store already, at {found.url}", ExitCode.STORE_BUSY)
    if not _local(host) and not token:
        raise UserError(
            f"other machines reach {host}, so clients must show a token: set {TOKEN_VARIABLE} to a long random text, "
            "such as the output of `openssl rand -hex 16`"
        )


def _serve(settings: Settings, bound: socket.socket, token: str, *, only_local: bool) -> None:
    from runstream_analytics.serve import server
    from runstream_analytics.serve.door import Door
    from runstream_analytics.serve.freshness import Freshness
    from runstream_analytics.serve.loading import load_until_stopped
    from runstream_ingest import stopping
    from runstream_ingest.announcement import Announcement, announced
    from runstream_ingest.lock import StoreBusy
    from runstream_ingest.reporting import TextReporter
    from runstream_ingest.store import StoreFailed, open_store

    assert settings.store_dir is not None, "checked"
    stop = stopping.stop_on_signals()
    freshness = Freshness()
    reporter = TextReporter()
    where = server.url_of(bound)
    announcement = Announcement(os.getpid(), where, token, settings.url)

    def waiting(pid: int | None) -> None:
        terminal.tell(f"waiting for the store, held by {f'process {pid}' if pid else 'another process'}")

    try:
        with (
            open_store(settings, on_wait=waiting) as store,
            server.served(
                settings.store_dir,
                bound,
                Door(token, only_local),
                freshness,
                on_trouble=lambda text: reporter.say(text, level="error"),
            ),
            announced(settings.store_dir, announcement),
        ):
            terminal.tell(_welcome(where, token))
            if settings.log_dir is None:
                freshness.stopped()  # what a broker still holds is nothing to wait for
            load_until_stopped(store, stop, reporter, freshness.loaded)
            freshness.stopped()
            stop.wait()
    except StoreBusy as error:
        raise UserError(f"{error}; try again, or stop it", ExitCode.STORE_BUSY) from error
    except StoreFailed as error:
        raise UserError(str(error), ExitCode.STORE_FAILED) from error
    terminal.tell("stopped")


def _welcome(where: str, token: str) -> str:
    host, _, port = where.removeprefix("http://").rpartition(":")
    secret = f", user default, password: the token in {TOKEN_VARIABLE}" if token else ""
    password = f", password=os.environ[{TOKEN_VARIABLE!r}]" if token else ""
    account = f"-u default:${TOKEN_VARIABLE} " if token else ""
    return f"""\
serving at {where}, read-only; Ctrl-C ends it
  Grafana   ClickHouse data source: server {host}, port {port}, protocol HTTP, database runstream{secret}
  Python    clickhouse_connect.get_client(host="{host}", port={port}, database="runstream"{password})
  curl      curl {account}'{where}/?query=SELECT+name,state+FROM+runs'"""
