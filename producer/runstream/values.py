"""From what training code hands over to what is logged: metric names, values, steps. Pure."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runstream_schemas.limits import MAX_METRIC_NAME_BYTES

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
            kind = type(value).__name__
            rejected.append(Rejection("value", 1, f"metric {name!r:.100}: {value!r:.60} ({kind}) is not a number"))
    return values, rejected


def as_number(value: Any) -> float:
    """The value as a double; integers beyond 2^53 are rounded, beyond 1.8e308 they become infinite.

    Raises TypeError or whatever the value's own conversion raises: for text, None, complex numbers, tensors of many
    elements.
    """
    if isinstance(value, (str, bytes, bytearray)):
        raise TypeError("text is not a number")
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def name_fault(name: object) -> str:
    """What is wrong with a metric name, empty for nothing."""
    if not isinstance(name, str):
        return f"metric name {name!r:.80} is not text"
    if not name:
        return "a metric name is empty"
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return f"metric name {name!r:.80} is not valid Unicode"
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
