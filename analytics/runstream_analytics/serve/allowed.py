"""Which settings a client may give, and how far. Pure.

A setting that is a number or a choice does no harm within limits. One that is text may be a path, an address, or an
expression that no guard has seen.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Final

from runstream_analytics.serve.answer import Refused

MOST_SECONDS: Final = 300
"""A query that takes longer has no reader any more: Grafana and others give up after 30 to 300 s."""

MOST_QUERY_BYTES: Final = 4 * 1024 * 1024
"""The length of a statement: one that names 10,000 runs has 0.4 MB."""

TEXTS: Final = frozenset(
    [
        "session_timezone",
        "format_csv_delimiter",
        "format_csv_null_representation",
        "format_tsv_null_representation",
        "format_custom_escaping_rule",
        "format_custom_field_delimiter",
        "format_custom_row_before_delimiter",
        "format_custom_row_after_delimiter",
        "format_custom_row_between_delimiter",
        "format_custom_result_before_delimiter",
        "format_custom_result_after_delimiter",
        "bool_true_representation",
        "bool_false_representation",
        "count_distinct_implementation",
    ]
)
"""Settings with text that only says how an answer looks or is computed."""

IGNORED: Final = frozenset(
    ["readonly", "log_comment", "profile", "quota_key", "http_receive_timeout", "http_send_timeout"]
)
"""What clients send to any server; here it is decided otherwise."""

FORBIDDEN: Final = frozenset(["allow_ddl", "allow_introspection_functions", "implicit_select", "max_query_size"])
"""Choices that would change how a statement is understood, or show the process's inside; and all dialects."""

_TEXT_TYPES: Final = ("String", "Map", "Char", "URI")

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def allowed(
    settings: Iterable[tuple[str, str]], types: Mapping[str, str], most: Mapping[str, int]
) -> tuple[tuple[str, str], ...]:
    """The settings to run with, sorted: those of the client, and `most` where it asks for more or for no limit.

    `types` are those of the engine's settings by name. Raises Refused.
    """
    given: dict[str, str] = {}
    for name, value in settings:
        if name not in IGNORED:
            _check(name, types)
            given[name] = value
    for name, limit in most.items():
        given[name] = _limited(given.get(name, ""), limit)
    return tuple(sorted(given.items()))


def _check(name: str, types: Mapping[str, str]) -> None:
    kind = types.get(name)
    if kind is None or not _NAME.fullmatch(name):
        raise Refused(115, f"Unknown setting '{name}'", "UNKNOWN_SETTING")
    if name in FORBIDDEN or "dialect" in name or (kind in _TEXT_TYPES and name not in TEXTS):
        raise Refused(452, f"Setting {name} should not be changed here", "SETTING_CONSTRAINT_VIOLATION")


def _limited(value: str, limit: int) -> str:
    try:
        number = float(value or 0)
    except ValueError:
        return str(limit)
    return value if math.isfinite(number) and 0 < number <= limit else str(limit)
