"""Errors and headers, as ClickHouse gives them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_STATUSES: Final[Mapping[int, tuple[int, ...]]] = {
    400: (26, 27, 36, 53, 62),
    401: (194,),
    403: (192, 193, 497, 516),
    404: (46, 47, 60, 81, 115),
    408: (159,),
    501: (48,),
}
STATUS_OF: Final = {code: status for status, codes in _STATUSES.items() for code in codes}
"""The status for an exception's code; what is not listed is answered with 500."""

UNKNOWN: Final = 1001
"""The code of an exception that names none (STD_EXCEPTION)."""

_CODE: Final = re.compile(rb"Code: (\d+)\.")

_WRAPPED: Final = re.compile(rb"Code: \d+\. DB::Exception: (?=Code: \d+\.)")
"""The engine wraps what it raises itself while it begins a statement."""

_CONTENT_TYPES: Final = (
    ("JSONEachRow", "application/x-ndjson; charset=UTF-8"),
    ("JSONCompactEachRow", "application/x-ndjson; charset=UTF-8"),
    ("JSON", "application/json; charset=UTF-8"),
    ("CSV", "text/csv; charset=UTF-8; header=absent"),
    ("TabSeparated", "text/tab-separated-values; charset=UTF-8"),
    ("TSV", "text/tab-separated-values; charset=UTF-8"),
    ("XML", "application/xml; charset=UTF-8"),
    *((name, "application/octet-stream") for name in ("Native", "RowBinary", "Parquet", "Arrow", "ORC", "Avro", "Npy")),
)
"""By how a format's name begins."""


class Refused(Exception):
    """An exception that the engine did not make; its message is for the client."""

    def __init__(self, code: int, text: str, name: str) -> None:
        super().__init__(text)
        self.text = exception(code, text, name)


def exception(code: int, text: str, name: str) -> bytes:
    """An exception as the engine would word it."""
    return f"Code: {code}. DB::Exception: {text}. ({name})".encode()


def failure(text: bytes, version: str) -> tuple[int, bytes]:
    """Code and wording, with the version as servers add it, of what the engine or `exception` said."""
    found = _CODE.search(text)
    body = _WRAPPED.sub(b"", text[found.start() if found else 0 :])
    found = _CODE.search(body)
    code = int(found[1]) if found else UNKNOWN
    return code, body.rstrip() + f" (version {version} (official build))\n".encode()


def status_of(code: int) -> int:
    """The HTTP status for an exception's code."""
    return STATUS_OF.get(code, 500)


def content_type(form: str) -> str:
    """What the body of a format is."""
    return next((kind for name, kind in _CONTENT_TYPES if form.startswith(name)), "text/plain; charset=UTF-8")


def common_headers(query_id: str) -> dict[str, str]:
    """What every answer to a statement carries."""
    return {
        "X-ClickHouse-Query-Id": query_id,
        "X-ClickHouse-Timezone": "UTC",
        "X-ClickHouse-Server-Display-Name": "runstream",
        "Keep-Alive": "timeout=30",
        "Connection": "keep-alive",
    }
