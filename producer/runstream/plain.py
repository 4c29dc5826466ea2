"""From any Python object to what JSON can say: mappings, lists, texts, numbers, booleans, None. Never raises.

Configuration holds whatever libraries put there: dataclasses, enums, paths, arrays, types, objects of unknown origin.
Each becomes what a person would have written in its place, the same in every process.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import math
import os
import re
import types
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

Plain: TypeAlias = "dict[Any, Any] | list[Any] | tuple[Any, ...] | str | int | float | bool | decimal.Decimal | None"
"""A mapping or list holds further values, not yet plain."""

MAX_TEXT_CHARACTERS: Final = 128 * 1024
"""Text is cut here before anything looks at it; twice what a param may hold, so that the later cut is the one seen."""

MAX_ARRAY_ELEMENTS: Final = 64
"""Arrays and tensors up to this size are configuration, such as class weights or betas; a larger one is data."""

MAX_SORTED: Final = 10_000
"""Sets up to this size are listed; sorting a larger one would take longer than a call of init may."""

MAX_BYTES: Final = 4096
"""Bytes objects are shown up to here."""

_MARK: Final = re.compile(r"… \[cut, \d+ characters\]$")

_SCALARS: Final = frozenset({int, float, bool, type(None)})

_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")
"""Where an object lies in memory says nothing about the run, and would make equal configurations differ."""


def plain(value: Any) -> Plain:
    """What the value is in JSON's terms, one level deep; an object that cannot be read becomes a text that says so."""
    if type(value) in _SCALARS:
        # Nine of ten values: ten times quicker than asking what else they might be.
        return value  # type: ignore[no-any-return]
    try:
        return valid_text(value) if type(value) is str else _plain(value)
    except Exception as error:
        return f"<unreadable {type(value).__name__}: {type(error).__name__}>"


def key_text(key: Any) -> str:
    """A mapping's key as text. Never raises."""
    value = plain(key)
    try:
        return valid_text(value if isinstance(value, str) else str(value))
    except Exception as error:
        return f"<unreadable {type(key).__name__}: {type(error).__name__}>"


def valid_text(text: str) -> str:
    """The text, cut at MAX_TEXT_CHARACTERS with a mark, without lone surrogates, which UTF-8 cannot encode."""
    return cut_text(text, MAX_TEXT_CHARACTERS).encode("utf-8", "backslashreplace").decode()


def cut_text(text: str, limit: int) -> str:
    """The first `limit` characters, with a mark that tells how long the whole was; shorter text as it is.

    Text that was cut before keeps its mark, so that the mark always tells of the original.
    """
    if len(text) <= limit:
        return text
    mark = _MARK.search(text, max(0, len(text) - 60))
    return text[:limit] + (mark[0] if mark else f"… [cut, {len(text)} characters]")


def _plain(value: Any) -> Plain:
    fields = _fields(value)
    if fields is not None:
        return fields
    if isinstance(value, (list, tuple)):
        # Not copied: it may be longer than all that is recorded of it.
        return value
    if isinstance(value, (set, frozenset)):
        return _set(value)
    if value is None or (isinstance(value, (int, float, decimal.Decimal)) and not isinstance(value, enum.Enum)):
        return _number(value)
    if hasattr(value, "dtype") and hasattr(value, "shape") and hasattr(value, "tolist"):
        return _array(value)
    return valid_text(_text(value))


def _fields(value: Any) -> dict[Any, Any] | None:
    """Names and values of an object that is made of named fields; None for others."""
    kind = type(value)
    names: Iterable[str] = ()
    if isinstance(value, Mapping):
        return dict(value.items())
    if isinstance(value, types.SimpleNamespace) or kind.__name__ == "Namespace" or hasattr(kind, "model_fields"):
        return dict(vars(value))
    if callable(getattr(kind, "to_dict", None)) and not hasattr(value, "shape"):
        # Configurations of transformers and ml_collections; tables have to_dict too, and a shape.
        return dict(value.to_dict())
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
    elif isinstance(value, tuple) and hasattr(kind, "_fields"):
        names = kind._fields
    elif hasattr(kind, "__attrs_attrs__"):
        names = [attribute.name for attribute in kind.__attrs_attrs__]
    else:
        return None
    return {name: getattr(value, name, None) for name in names}


def _number(value: Any) -> Plain:
    """The number without the subclass that may carry another way to print it."""
    if isinstance(value, float):
        return float(value)
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _set(value: set[Any] | frozenset[Any]) -> Plain:
    """In an order that is the same in every process, which a set's own order is not."""
    if len(value) > MAX_SORTED:
        return f"<{type(value).__name__} of {len(value)} values>"
    return sorted(value, key=lambda item: (type(item).__name__, item if isinstance(item, str) else repr(item)))


def _array(value: Any) -> Plain:
    """A numpy, torch or jax scalar or array; `tolist` copies from the accelerator, which is why only small ones do."""
    shape = tuple(value.shape)
    if math.prod(shape) <= MAX_ARRAY_ELEMENTS:
        content = value.tolist()
        return plain(content) if not hasattr(content, "dtype") else valid_text(_spelled(content))
    return f"{type(value).__name__}(shape={shape}, dtype={value.dtype})"


def _text(value: Any) -> str:
    """The text of everything that is text, is written as text, or has no better form."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, enum.Enum):
        return value.name or repr(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _bytes(bytes(value))
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    return _spelled(value)


def _spelled(value: Any) -> str:
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType, types.MethodType)):
        return f"{value.__module__}.{value.__qualname__}"
    # What an object says of itself, in the shorter of its two ways: `cuda:0`, not `device(type='cuda', index=0)`.
    described, shorter = repr(value), str(value)
    return _ADDRESS.sub("", cut_text(shorter if 0 < len(shorter) < len(described) else described, MAX_TEXT_CHARACTERS))


def _bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        shown = "base64:" + base64.b64encode(value[:MAX_BYTES]).decode()
        return shown if len(value) <= MAX_BYTES else f"{shown}… [cut, {len(value)} bytes]"
