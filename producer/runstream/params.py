"""From a configuration to params: nested levels joined by a dot, types kept, credentials out, sizes bounded.

`flatten` takes whatever `init(config=…)` or `log_param` is given and never raises. Nothing vanishes silently: what is
cut carries a mark, and of two entries that have one key both stay, the second as `key#2`.
"""

from __future__ import annotations

import decimal
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from runstream_schemas.limits import MAX_PARAM_BYTES

from .json_values import CYCLE, MAX_DEPTH, TOO_DEEP, ListValue, free_key, json_number, redacted
from .plain import Plain, cut_text, key_text, plain
from .secrets import is_secret_key

MAX_PARAMS: Final = 10_000
"""Params of one call. More is data, not configuration, and would crowd out every table of params."""

MAX_TOTAL_BYTES: Final = 4 * 1024 * 1024
"""JSON bytes of all params of one call: they are made in the caller's time."""

MAX_KEY_CHARACTERS: Final = 512
"""Keys are columns of tables that people read; in UTF-8 this stays far below any event's limit."""

CUT_KEY: Final = "runstream.params_cut"
"""Param that tells how much of a configuration was recorded when it was too large."""


@dataclass(frozen=True, slots=True)
class Param:
    """One hyperparameter as the param event carries it."""

    key: str
    kind: str
    """null, bool, int, float, str or json."""
    value_json: str
    """The value as JSON text; non-finite floats as the texts NaN, Infinity, -Infinity. At most MAX_PARAM_BYTES."""
    number: float | None
    """The value as a double when it is a number or a boolean."""


def flatten(config: Any, key: str = "") -> list[Param]:
    """The params of a configuration, in its order; `key` stands before the keys in it, empty for nothing.

    A value that has no named fields is one param, under `key` or else `config`. Never raises.
    """
    params: dict[str, Param] = {}
    size = 0
    for leaf_key, content in _leaves(config, key_text(key), ()):
        if len(params) >= MAX_PARAMS or size > MAX_TOTAL_BYTES:
            note = f"the configuration is too large: only its first {len(params)} params were recorded"
            params[CUT_KEY] = _text_param(CUT_KEY, note)
            break
        unique = free_key(cut_text(leaf_key or "config", MAX_KEY_CHARACTERS), params)
        params[unique] = _param(unique, content)
        size += len(params[unique].value_json)
    return list(params.values())


def _leaves(value: Any, key: str, path: tuple[int, ...], *, secret: bool = False) -> Iterator[tuple[str, Plain]]:
    """Every value that is no mapping with entries, with its key. `secret`: a key above it names a credential."""
    secret = secret or is_secret_key(key)
    content = CYCLE if id(value) in path else TOO_DEEP if len(path) >= MAX_DEPTH else plain(value)
    inner = (*path, id(value))
    if isinstance(content, str):
        yield key, redacted(content, secret=secret)
    elif isinstance(content, (list, tuple)):
        yield key, ListValue().build(content, inner, secret=secret)
    elif isinstance(content, dict) and content:
        for name, child in content.items():
            yield from _leaves(child, f"{key}.{key_text(name)}" if key else key_text(name), inner, secret=secret)
    else:
        yield key, content


def _param(key: str, content: Plain) -> Param:
    if content is None:
        return Param(key, "null", "null", None)
    if isinstance(content, str):
        return _text_param(key, content)
    if isinstance(content, (list, tuple, dict)):
        text = _dump(content)
        fits = len(text.encode()) <= MAX_PARAM_BYTES
        return Param(key, "json", text, None) if fits else _text_param(key, text)
    if isinstance(content, decimal.Decimal) and content.is_finite():
        # A decimal's own digits are valid JSON.
        return Param(key, "float", str(content), _double(content))
    kind = "bool" if isinstance(content, bool) else "int" if isinstance(content, int) else "float"
    return Param(key, kind, _dump(json_number(content)), _double(content))


def _text_param(key: str, text: str) -> Param:
    """A param of kind str, its text cut so that the JSON, which may take six bytes a character, is short enough."""
    dumped = _dump(text)
    limit = MAX_PARAM_BYTES
    while len(dumped.encode()) > MAX_PARAM_BYTES:
        limit = min(limit, len(text)) * (MAX_PARAM_BYTES - 64) // len(dumped.encode()) - 64
        dumped = _dump(cut_text(text, max(limit, 0)))
    return Param(key, "str", dumped, None)


def _double(number: float | decimal.Decimal) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")
    except ValueError:
        # The signalling NaN of a decimal.
        return float("nan")


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
