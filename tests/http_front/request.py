"""What a client asks for: a statement with its settings and parameters, or an INSERT with its data."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from urllib.parse import parse_qsl, urlsplit

# What the protocol keeps for itself; every other name in the URL is a setting of the statement.
TRANSPORT = frozenset(
    (
        *("query", "query_id", "database", "user", "password", "role", "quota_key", "default_format"),
        *("session_id", "session_timeout", "session_check", "client_protocol_version"),
        *("wait_end_of_query", "buffer_size", "compress", "decompress", "enable_http_compression"),
        *("send_progress_in_http_headers", "http_headers_progress_interval_ms"),
        "cancel_http_readonly_queries_on_client_close",
    )
)

INSERT_HEAD = re.compile(
    rb"\s*INSERT\s+INTO\s+(?:TABLE\s+)?([^\s(]+)\s*(\([^)]*\))?\s*FORMAT\s+(\w+)[ \t]*(?:\r?\n|$)", re.IGNORECASE
)
"""Table, columns and format."""

MAX_HEAD_BYTES = 64 * 1024


@dataclass(frozen=True)
class Insert:
    """An INSERT whose data follow the statement."""

    table: str
    columns: str
    format: str
    data: Iterator[bytes]


@dataclass(frozen=True)
class Request:
    statement: str | Insert
    database: str
    settings: tuple[tuple[str, str], ...]
    parameters: Mapping[str, str]
    """Values as the protocol carries them: text with TSV's escapes, which is what the engine takes."""
    user: str
    password: str
    query_id: str
    format: str
    """The format of a result when the statement names none."""


def parse(target: str, headers: Mapping[str, str], body: Iterator[bytes]) -> Request:
    """Understand a request; of an INSERT only the beginning of its body is read."""
    fields = dict(parse_qsl(urlsplit(target).query, keep_blank_values=True))
    user, password = _credentials(fields, headers)
    return Request(
        statement=_statement(fields.get("query", ""), body),
        database=fields.get("database") or headers.get("X-ClickHouse-Database") or "default",
        settings=tuple(
            (name, value)
            for name, value in sorted(fields.items())
            if name not in TRANSPORT and not name.startswith("param_")
        ),
        parameters={name[6:]: value for name, value in fields.items() if name.startswith("param_")},
        user=user,
        password=password,
        query_id=fields.get("query_id", ""),
        format=fields.get("default_format") or headers.get("X-ClickHouse-Format") or "TabSeparated",
    )


def _statement(query: str, body: Iterator[bytes]) -> str | Insert:
    """The query of the URL and the body are one text."""
    head = query.encode() + b"\n" if query else b""
    begun = INSERT_HEAD.match(head)
    for piece in body if begun is None else ():
        head += piece
        begun = INSERT_HEAD.match(head[:MAX_HEAD_BYTES])
        if begun is not None or len(head) > MAX_HEAD_BYTES:
            break
    if begun is None:
        return (head + b"".join(body)).decode(errors="surrogateescape")
    table, columns, form = (value.decode() if value else "" for value in begun.groups())
    return Insert(table.replace("`", ""), columns, form, chain([head[begun.end() :]], body))


def _credentials(fields: Mapping[str, str], headers: Mapping[str, str]) -> tuple[str, str]:
    scheme, _, encoded = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        user, _, password = base64.b64decode(encoded).decode().partition(":")
        return user, password
    user = headers.get("X-ClickHouse-User") or fields.get("user") or "default"
    return user, headers.get("X-ClickHouse-Key") or fields.get("password") or ""
