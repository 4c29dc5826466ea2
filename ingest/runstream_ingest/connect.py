"""Clients of the store, embedded or on a server, with their database made if it is missing."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError
from clickhouse_connect.driver.httpclient import HttpClient
from urllib3 import Timeout

from runstream_ingest import transport
from runstream_ingest.errors import LOGIN_CODES, code_of, reason

DATABASE: Final = "runstream"
"""The database in the embedded store, and on a server when the URL names none."""

CONNECT_TIMEOUT_S: Final = 10
"""A host that takes no connection within it is taken for unreachable; on any network, that takes well under 1 s."""

INSERT_TIMEOUT_S: Final = 120
"""A server that does not answer within it is taken for dead and the batch is sent again; merges may delay inserts for
seconds, and a consumer is thrown out of its group after 300."""

Connect = Callable[[], Client]
"""Opens one more client for the caller, who closes it."""

# The client logs each failure as well as raising it, and Python prints the warnings of whoever has no handler.
logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())


class CannotConnect(OperationalError):
    """A server cannot be used; the message says why and what to do, without the password."""


def embedded(directory: Path) -> Connect:
    """Clients of the engine in this process. Calling it raises what the engine raises."""

    def connect() -> Client:
        directory.mkdir(parents=True, exist_ok=True)
        client = clickhouse_connect.get_client(interface="chdb", path=str(directory))
        return _in_database(client, DATABASE)

    return connect


def server(
    url: str, *, ca: str = "", timeout_s: float = INSERT_TIMEOUT_S, settings: Mapping[str, str] | None = None
) -> Connect:
    """Clients of a server over HTTP. Both this and calling it raise CannotConnect.

    `ca` is the PEM file of the authority that signed the certificate of an HTTPS server, empty for those that the
    system trusts. A client gives up on a request when the server neither takes data nor answers for `timeout_s`.
    `settings` go with every request.
    """
    parts = urlsplit(url)
    database = unquote(parts.path.strip("/")) or DATABASE
    try:
        port = parts.port
    except ValueError:
        # Its text quotes what stands in the port's place, which may be the rest of a password.
        raise CannotConnect(
            "the port in the URL is no number from 0 to 65535; "
            "a user name or password spells / as %2F, : as %3A, @ as %40, # as %23, ? as %3F and % as %25"
        ) from None
    if ca:
        try:
            ssl.create_default_context(cafile=ca)
        except OSError as error:
            raise CannotConnect(f"the setting store_ca names {ca}, which holds no certificate: {error}") from error

    def connect() -> Client:
        try:
            client = clickhouse_connect.get_client(
                interface=parts.scheme,
                host=parts.hostname,
                port=port,
                username=unquote(parts.username) if parts.username else None,
                password=unquote(parts.password or ""),
                ca_cert=ca or None,
                connect_timeout=CONNECT_TIMEOUT_S,
                send_receive_timeout=INSERT_TIMEOUT_S,
                # Several threads share a client's session otherwise, and the server refuses that.
                autogenerate_session_id=False,
                settings=dict(settings or {}),
            )
            assert isinstance(client, HttpClient)
            # The time to connect is also that to send each piece: a busy server may take longer for it.
            client.timeout = Timeout(connect=timeout_s, read=timeout_s)
            # A batch is streamed, so there is nothing left of it for a request that urllib3 would repeat or redirect.
            client.http_retries = 0
            return _in_database(client, database)
        except ClickHouseError as error:
            raise CannotConnect(_advice(error), code=code_of(error)) from error

    return connect


def _advice(error: ClickHouseError) -> str:
    why = reason(error)
    if code_of(error) in LOGIN_CODES:
        return f"the server does not let this user in; check the user name and the password in the URL ({why})"
    if code_of(error) is None and not transport.words(error):
        return f"what answers there is no ClickHouse server; {transport.CLICKHOUSE_PORTS} ({why})"
    return why


def _in_database(client: Client, database: str) -> Client:
    try:
        quoted = database.replace("`", "``")
        # Not everybody who may use a database may create one.
        if not client.command(f"EXISTS DATABASE `{quoted}`"):
            client.command(f"CREATE DATABASE IF NOT EXISTS `{quoted}`")
        client.database = database
    except BaseException:
        client.close()
        raise
    return client
