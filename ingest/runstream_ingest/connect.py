"""Clients of the store, embedded or on a server, with their database made if it is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client

DATABASE: Final = "runstream"
"""The database in the embedded store, and on a server when the URL names none."""

INSERT_TIMEOUT_S: Final = 120
"""A server that does not answer within it is taken for dead and the batch is sent again; merges may delay inserts for
seconds, and a consumer is thrown out of its group after 300."""

Connect = Callable[[], Client]
"""Opens one more client for the caller, who closes it."""


def embedded(directory: Path) -> Connect:
    """Clients of the engine in this process. Calling it raises what the engine raises."""

    def connect() -> Client:
        directory.mkdir(parents=True, exist_ok=True)
        client = clickhouse_connect.get_client(interface="chdb", path=str(directory))
        return _in_database(client, DATABASE)

    return connect


def server(url: str) -> Connect:
    """Clients of a server over HTTP. Calling it raises what the client raises."""
    parts = urlsplit(url)
    database = unquote(parts.path.strip("/")) or DATABASE

    def connect() -> Client:
        client = clickhouse_connect.get_client(
            interface=parts.scheme,
            host=parts.hostname,
            port=parts.port,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password or ""),
            send_receive_timeout=INSERT_TIMEOUT_S,
            # Several threads share a client's session otherwise, and the server refuses that.
            autogenerate_session_id=False,
        )
        return _in_database(client, database)

    return connect


def _in_database(client: Client, database: str) -> Client:
    try:
        quoted = database.replace("`", "``")
        client.command(f"CREATE DATABASE IF NOT EXISTS `{quoted}`")
        client.database = database
    except BaseException:
        client.close()
        raise
    return client
