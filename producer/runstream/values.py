"""From what training code hands over to what is logged: metric names, values, steps. Pure."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runstream_schemas.limits import MAX_METRIC_NAME_BYTES

from .secrets import redact_value

MAX_KEY_SET_BYTES = 384 * 1024
"""A row's definition and values take at most this many bytes in the journal and on the wire, so that one row always
fits into one message beside others; a greater row is split by metrics."""

BYTES_PER_METRIC = 48
"""What a metric costs beside its name: its value in the row, and lengths and quotes around its name and column."""

JSON_EXPANSION = 6
"""The journal keeps names as JSON, which may write a control character of one byte as six."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Points of one call that cannot be logged."""

    reason: str
    """One of the journal's DROP_REASONS."""
    points: int
    message: str


def clean_metrics(metrics: Mapping[str, Any]) -> tuple[dict[str, float], list[Rejection]]:
    """Separate the loggable metrics from the others. Raises nothing, whatever it is given."""
    if not isinstance(metrics, Mapping):
        return {}, [Rejection("value", 1, f"log takes a mapping of names to numbers, not {type(metrics).__name__}")]
    values: dict[str, float] = {}
    rejected: list[Rejection] = []
    for name, value in list(metrics.items()):
        fault = name_fault(name)
        if fault:
            rejected.append(Rejection("name", 1, fault))
            continue
        try:
            values[name] = as_number(value)
        except Exception:
            message = f"metric {name!r:.100} is {shown(value, name)}, which is not a number"
            rejected.append(Rejection("value", 1, message))
    return values, rejected


def shown(value: object, key: str = "") -> str:
    """The value in a message: a short one as it is written, any other by its type and shape. Never raises.

    Credentials are taken out, by their shape and by the key that the value stands under. An object's own `repr` is not
    asked: it may raise, copy from an accelerator, or write out millions of elements.
    """
    kind = type(value).__name__
    if type(value) is str:
        return f"{redact_value(key, value[:200])[:40]!r} ({kind})"
    if value is None or type(value) in (bool, float, complex):
        return repr(value)
    if isinstance(value, type):
        return f"the type {value.__name__}"
    if type(value) is int:
        return repr(value) if abs(value) < 2**128 else f"an int of {value.bit_length()} bits"
    try:
        shape = getattr(value, "shape", None)
        size = f" of shape {tuple(shape)}" if shape is not None else ""
    except Exception:
        size = ""
    return f"an object of type {kind}{size}"


def as_number(value: Any) -> float:
    """The value as a double; integers beyond 2^53 are rounded, beyond 1.8e308 they become infinite.

    Raises TypeError or whatever the value's own conversion raises: for text, None, complex numbers, tensors of many
    elements.
    """
    if isinstance(value, (str, bytes, bytearray)):
        raise TypeError("text is not a number")
    if isinstance(value, numbers.Complex) and not isinstance(value, numbers.Real):
        # NumPy's would be taken without their imaginary part.
        raise TypeError("a complex number is no point on an axis")
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    except TypeError:
        # NumPy converts arrays of one element only when they have no dimension; torch converts all of them.
        if hasattr(value, "item"):
            return as_number(value.item())
        raise


def name_fault(name: object) -> str:
    """What is wrong with a metric name, empty for nothing."""
    if not isinstance(name, str):
        return f"a metric name is {shown(name)}, which is not text"
    if not name:
        return "a metric name is empty"
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return f"metric name {name[:80]!a} is not valid Unicode"
    if length > MAX_METRIC_NAME_BYTES:
        return f"metric name {name[:40]!r}… has {length} bytes; {MAX_METRIC_NAME_BYTES} are allowed"
    return ""


def clean_step(step: object) -> int | None:
    """The step as an integer, None when it is none: whole floats such as 3.0 are taken, 3.5 and text are not."""
    try:
        return operator.index(step)  # type: ignore[arg-type]
    except Exception:
        pass
    try:
        if isinstance(step, (str, bytes, bytearray)):
            return None
        whole = int(step)  # type: ignore[call-overload]
        return int(whole) if whole == step else None
    except Exception:
        return None


def split_key_sets(values: dict[str, float]) -> Iterator[dict[str, float]]:
    """Split a row so that each part's names and values stay under MAX_KEY_SET_BYTES."""
    part: dict[str, float] = {}
    size = 0
    for name, value in values.items():
        cost = len(name.encode()) * (1 if _plain(name) else JSON_EXPANSION) + BYTES_PER_METRIC
        if part and size + cost > MAX_KEY_SET_BYTES - 4096:
            yield part
            part, size = {}, 0
        part[name] = value
        size += cost
    if part:
        yield part


def _plain(name: str) -> bool:
    return name.isascii() and name.isprintable() and '"' not in name and "\\" not in name
