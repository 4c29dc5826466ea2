"""What a client asks for: a statement with its settings and parameters, or an INSERT with its data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from urllib.parse import parse_qsl, urlsplit

from runstream_analytics.serve.request import Asked, asked

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
    beside: Asked
    """Settings, parameters, names: all that does not stand in the statement."""


def parse(target: str, headers: Mapping[str, str], body: Iterator[bytes]) -> Request:
    """Understand a request; of an INSERT only the beginning of its body is read."""
    fields = dict(parse_qsl(urlsplit(target).query, keep_blank_values=True))
    return Request(_statement(fields.get("query", ""), body), asked(fields, headers))


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
