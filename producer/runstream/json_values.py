"""The JSON value of a list in a configuration: everything inside of it made plain, credentials out, size bounded."""

from __future__ import annotations

import decimal
import math
from collections.abc import Container, Sequence
from typing import Any, Final

from .plain import key_text, plain
from .secrets import REDACTED, is_secret_key, redact_text

MAX_DEPTH: Final = 32
"""Levels of nesting. Deeper ones are a mistake, or a structure that refers to itself through ever new objects."""

MAX_LIST_SIZE: Final = 64 * 1024
"""Values and characters inside of one list: no more can fit into MAX_PARAM_BYTES, since each takes a byte at least."""

MAX_INTEGER_BITS: Final = 14_000
"""Python refuses to write integers of more than 4,300 decimal digits (14,284 bits), as that takes quadratic time."""

CYCLE: Final = "<cycle>"
TOO_DEEP: Final = f"<deeper than {MAX_DEPTH} levels>"


class ListValue:
    """Builds the JSON value of one list; use it once."""

    def __init__(self) -> None:
        self._left = MAX_LIST_SIZE

    def build(self, content: Sequence[Any], path: tuple[int, ...], *, secret: bool) -> list[Any]:
        """The values of the list, with a mark in place of those that do not fit.

        `path` holds the ids of the objects around them, the list's own included; `secret` says that texts in it are
        credentials. Never raises.
        """
        built: list[Any] = []
        for child in content:
            if self._left <= 0:
                built.append(f"… [cut, {len(content)} values]")
                break
            built.append(self._value(child, path, secret=secret))
        return built

    def _value(self, value: Any, path: tuple[int, ...], *, secret: bool) -> Any:
        self._left -= 1
        if id(value) in path:
            return CYCLE
        if len(path) >= MAX_DEPTH:
            return TOO_DEEP
        content = plain(value)
        if isinstance(content, (list, tuple)):
            return self.build(content, (*path, id(value)), secret=secret)
        if isinstance(content, dict):
            return self._mapping(content, (*path, id(value)), secret=secret)
        if isinstance(content, str):
            self._left -= len(content)
            return redacted(content, secret=secret)
        return json_number(content)

    def _mapping(self, content: dict[Any, Any], path: tuple[int, ...], *, secret: bool) -> dict[str, Any]:
        built: dict[str, Any] = {}
        for name, child in content.items():
            if self._left <= 0:
                built["…"] = f"[cut, {len(content)} values]"
                break
            key = key_text(name)
            self._left -= len(key)
            built[free_key(key, built)] = self._value(child, path, secret=secret or is_secret_key(key))
        return built


def redacted(text: str, *, secret: bool) -> str:
    """The text as it may be recorded, `secret` when it stands under a credential's key."""
    return REDACTED if secret and text else redact_text(text)


def json_number(value: float | decimal.Decimal | None) -> Any:
    """A number, boolean or None as JSON can write it: what is not finite or has thousands of digits becomes text."""
    if isinstance(value, decimal.Decimal):
        value = float(value) if not value.is_snan() else math.nan
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
        return f"{value:#x}"
    return value


def free_key(key: str, taken: Container[str]) -> str:
    """The key itself, or with `#2`, `#3` … behind it where it is taken."""
    if key not in taken:
        return key
    number = 2
    while f"{key}#{number}" in taken:
        number += 1
    return f"{key}#{number}"
