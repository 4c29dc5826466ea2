"""Answers, with the headers and statuses that ClickHouse gives them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from runstream_analytics.serve.answer import exception, failure, status_of

__all__ = ["Answer", "exception", "failed", "page", "plain", "result", "stored"]

FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
WITH_RESULT = re.compile(r"\s*\(?\s*(SELECT|WITH|SHOW|DESC|DESCRIBE|EXISTS|EXPLAIN)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def result(body: bytes, statement: str, default_format: str, query_id: str) -> Answer:
    """What a statement gave."""
    found = FORMAT.search(statement)
    form = found[1] if found else default_format
    named = {"X-ClickHouse-Format": form} if WITH_RESULT.match(statement) else {}
    return Answer(200, body, {"X-ClickHouse-Summary": "{}", **_common(query_id), **named})


def stored(query_id: str) -> Answer:
    """An INSERT that worked."""
    return Answer(200, b"", {"X-ClickHouse-Summary": '{"written_rows":"1"}', **_common(query_id)})


def failed(text: bytes, version: str, query_id: str = "") -> Answer:
    """An exception of the engine, whose text names its code."""
    code, body = failure(text, version)
    return Answer(status_of(code), body, {"X-ClickHouse-Exception-Code": str(code), **_common(query_id)})


def page(status: int, title: str) -> Answer:
    """What something answers that is no ClickHouse: a proxy, a login page."""
    return Answer(status, f"<html><h1>{title}</h1></html>\n".encode(), {"Content-Type": "text/html"})


def plain(status: int, text: str) -> Answer:
    return Answer(status, text.encode(), {"Content-Type": "text/plain; charset=UTF-8"})


def _common(query_id: str) -> dict[str, str]:
    return {
        "Content-Type": "text/plain; charset=UTF-8",
        "X-ClickHouse-Query-Id": query_id or "no-id",
        "X-ClickHouse-Timezone": "UTC",
        "X-ClickHouse-Server-Display-Name": "http-front",
    }
