"""Why a server on the network cannot be used, in words that say what to do.

The client's own errors name its classes, its retries and its request, and nest the cause inside.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator

from urllib3 import exceptions

CLICKHOUSE_PORTS = "ClickHouse listens for HTTP at port 8123 and for HTTPS at 8443, unless it was told otherwise"

HOSTNAME_MISMATCH = 62
"""OpenSSL's code of a certificate that is good, but for another host."""


def words(error: BaseException) -> str:
    """What went wrong on the way to the server; empty when the error does not come from the network."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _distrust(cause)
    return next((text for kind, text in _WORDS if any(isinstance(cause, kind) for cause in causes)), "")


def _distrust(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == HOSTNAME_MISMATCH:
        return f"{error.verify_message.rstrip('.')}; use a host name that the server's certificate is for"
    return (
        f"its certificate is not trusted ({error.verify_message}); "
        "name the PEM file of the authority that signed it in the setting store_ca"
    )


# The first that fits: what is more particular stands first.
_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "nobody knows its host name; check the host in the URL"),
    (ConnectionRefusedError, "nothing listens there; is the server running, and is that its port? " + CLICKHOUSE_PORTS),
    (ssl.SSLError, "no TLS connection comes about; does that port speak HTTPS? " + CLICKHOUSE_PORTS),
    (exceptions.ConnectTimeoutError, "it cannot be reached in time; check the address and the firewalls on the way"),
    (exceptions.NewConnectionError, "it cannot be reached; check the address and the network"),
    (exceptions.ReadTimeoutError, "it took the request and does not answer"),
    (TimeoutError, "it stopped taking data"),
    (exceptions.ResponseError, "it redirects to another address; name that one in the URL"),
    (http.client.BadStatusLine, "it closed the connection without an answer, or speaks no HTTP; " + CLICKHOUSE_PORTS),
    (ConnectionError, "it closed the connection"),
    (exceptions.ProtocolError, "it closed the connection in the middle of an answer"),
)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it was made of."""
    seen: list[BaseException | object] = [error]
    for found in seen:
        if isinstance(found, BaseException):
            yield found
            nested = (found.__cause__, found.__context__, getattr(found, "reason", None), *found.args)
            seen += [inner for inner in nested if inner is not None and not any(inner is known for known in seen)]
