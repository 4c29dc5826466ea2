"""What a client asks for: a statement with its settings and parameters, as the protocol carries them."""

from __future__ import annotations

import base64
import binascii
import gzip
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import lz4.frame

from runstream_analytics.serve.answer import Refused

TRANSPORT: Final = frozenset(
    (
        *("query", "query_id", "database", "user", "password", "role", "quota_key", "default_format"),
        *("session_id", "session_timeout", "session_check", "client_protocol_version", "close_session"),
        *("wait_end_of_query", "buffer_size", "compress", "decompress", "enable_http_compression"),
        *("network_compression_method", "network_zstd_compression_level", "http_zlib_compression_level"),
        *(
            "send_progress_in_http_headers",
            "http_headers_progress_interval_ms",
            "http_write_exception_in_output_format",
        ),
        *("cancel_http_readonly_queries_on_client_close", "add_http_cors_header", "stacktrace"),
    )
)
"""What the protocol keeps for itself; every other name in the URL is a setting of the statement."""

DECODERS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "lz4": lz4.frame.decompress,
}
"""How the body of a request may be encoded."""

DEFAULT_FORMAT: Final = "TabSeparated"


class Headers(Protocol):
    """Headers by name, in any case."""

    def get(self, name: str, /) -> str | None:
        """One of them."""


@dataclass(frozen=True)
class Asked:
    """All that stands beside the statement."""

    database: str
    settings: tuple[tuple[str, str], ...]
    parameters: Mapping[str, str]
    """Values as the protocol carries them: text with TSV's escapes, which is what the engine takes."""
    user: str
    password: str
    query_id: str
    format: str
    """The format of a result when the statement names none."""
    protocol_version: int
    """The revision at which the client reads blocks in Native; 0 when it says none."""
    compress: bool
    """The answer is to be in compressed blocks of ClickHouse's own kind."""


def asked(fields: Mapping[str, str], headers: Headers) -> Asked:
    """Understand the fields of a URL and the headers of a request."""
    user, password = credentials(fields, headers)
    version = fields.get("client_protocol_version", "")
    return Asked(
        database=fields.get("database") or headers.get("X-ClickHouse-Database") or "default",
        settings=tuple(
            (name, value)
            for name, value in sorted(fields.items())
            if name not in TRANSPORT and not name.startswith("param_")
        ),
        parameters={name[6:]: value for name, value in fields.items() if name.startswith("param_")},
        user=user,
        password=password,
        query_id=fields.get("query_id") or headers.get("X-ClickHouse-Query-Id") or "",
        format=fields.get("default_format") or headers.get("X-ClickHouse-Format") or DEFAULT_FORMAT,
        protocol_version=int(version) if version.isascii() and version.isdigit() else 0,
        compress=fields.get("compress") in ("1", "true"),
    )


def credentials(fields: Mapping[str, str], headers: Headers) -> tuple[str, str]:
    """User and password, wherever the client puts them."""
    scheme, _, encoded = (headers.get("Authorization") or "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(encoded).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return user, password
    if scheme.lower() == "bearer":
        return "default", encoded.strip()
    user = headers.get("X-ClickHouse-User") or fields.get("user") or "default"
    return user, headers.get("X-ClickHouse-Key") or fields.get("password") or ""


def statement(query: str, body: bytes, encoding: str) -> str:
    """The text of the statement: the URL's and the body's, one behind the other. Raises Refused."""
    if body and encoding not in ("", "identity"):
        if encoding not in DECODERS:
            raise Refused(48, f"A body encoded as {encoding} is not understood; send it plain", "NOT_IMPLEMENTED")
        try:
            body = DECODERS[encoding](body)
        except (OSError, EOFError, RuntimeError, zlib.error) as error:
            raise Refused(354, f"The body is not {encoding}: {error}", "ZLIB_INFLATE_FAILED") from error
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        # The rows of an INSERT, for example, whose head stands in the URL.
        if not query:
            raise Refused(62, "The statement is not UTF-8 text", "SYNTAX_ERROR") from error
        text = ""
    return f"{query}\n{text}".strip() if query else text.strip()
