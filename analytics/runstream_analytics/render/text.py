"""Values as people read them, and safe to print."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from rich.cells import cell_len, set_cell_size

ABSENT = "–"

SHORT_ID: Final = 8
"""As many last characters of an id as tell runs of one name apart."""

UNBOUNDED: Final = 100_000
"""Columns of what is no terminal: nothing is cut or folded for it."""


def printable(text: str) -> str:
    """The text on one line, control characters (which could steer the terminal) as escapes."""
    return "".join(
        c if c.isprintable() or c in ("\u200d", "\ufe0f") else c.encode("unicode_escape").decode() for c in text
    )


def shortened(text: str, width: int) -> str:
    """The text with its end cut off by an ellipsis when it needs more than `width` terminal cells."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…"


def counted(count: int, thing: str) -> str:
    """1 run, 2 runs."""
    return f"{number(count)} {thing}{'' if count == 1 else 's'}"


def number(value: float | int | None) -> str:
    """Integers in full with thin groups, others to 5 significant digits."""
    if value is None:
        return ABSENT
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    if not math.isfinite(value):
        return {True: "NaN"}.get(math.isnan(value), "∞" if value > 0 else "-∞")
    return f"{value:.5g}"


def duration(seconds: float | None) -> str:
    """The two largest units: 0.04 s, 3.2 s, 4 min 10 s, 5 h 2 min, 3 d 4 h."""
    if seconds is None:
        return ABSENT
    if seconds < 1:
        return f"{seconds:.2g} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    units = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
    whole, unit, part, small = next(sizes for sizes in units if seconds >= sizes[0])
    rest = int(seconds % whole // part)
    return f"{int(seconds // whole)} {unit}" + (f" {rest} {small}" if rest else "")


def ago(moment: datetime | None, now: datetime) -> str:
    """How long before now, or the date when it is longer than a week."""
    if moment is None:
        return ABSENT
    passed = now - aware(moment)
    if passed > timedelta(days=7) or passed < timedelta(0):
        return f"{aware(moment):%Y-%m-%d %H:%M}"
    if passed < timedelta(minutes=1):
        return "just now"
    return f"{duration(passed.total_seconds() // 60 * 60)} ago"


def moment_text(moment: datetime | None) -> str:
    """Date and time in UTC to the second."""
    return ABSENT if moment is None else f"{aware(moment):%Y-%m-%d %H:%M:%S}"


def size(count: int | None) -> str:
    """Bytes in binary units."""
    if count is None:
        return ABSENT
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def aware(moment: datetime) -> datetime:
    """The moment with its zone; the store's are UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def value_text(value: Any) -> str:
    """Any value of a row."""
    match value:
        case None:
            shown = ABSENT
        case bool():
            shown = "yes" if value else "no"
        case int() | float():
            shown = number(value)
        case datetime():
            shown = moment_text(value)
        case dict():
            shown = ", ".join(f"{printable(str(key))}: {value_text(item)}" for key, item in value.items())
        case list() | tuple():
            shown = ", ".join(value_text(item) for item in value)
        case _:
            shown = printable(str(value))
    return shown


def id_suffix(run_id: UUID | str, length: int) -> str:
    """The last characters of a run's id, which name it."""
    return str(run_id)[-length:]


def exact(value: object) -> str:
    """A value of an answer as JSON has it: no digit is lost."""
    return printable(orjson.dumps(value).decode())
