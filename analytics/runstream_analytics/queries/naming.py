"""Which runs a person means: by full id, by the last characters of the id, or by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from runstream_analytics.errors import UserError
from runstream_analytics.reader import Reader
from runstream_analytics.render import text

MIN_SUFFIX: Final = 6
"""Shorter ones would soon be ambiguous, and would hide names such as `abc`."""

SHOWN_CANDIDATES: Final = 10


@dataclass(frozen=True)
class NamedRun:
    """A run that was named."""

    run_id: UUID
    name: str
    experiment: str
    state: str
    started: datetime


def find_runs(reader: Reader, names: Sequence[str]) -> list[NamedRun]:
    """The run of each name, in that order, each once. Raises UserError for a name of no run or of several."""
    found = [find_run(reader, name) for name in names]
    return list({run.run_id: run for run in found}.values())


def find_run(reader: Reader, name: str) -> NamedRun:
    """The run of a name. A full id decides alone. Raises UserError for a name of no run or of several."""
    digits = name.replace("-", "").lower()
    hexadecimal = re.fullmatch(r"[0-9a-f]+", digits) is not None
    full = hexadecimal and len(digits) == 32
    suffix = digits if hexadecimal and MIN_SUFFIX <= len(digits) <= 32 else ""
    rows = reader.rows(
        "SELECT run_id, name, experiment, state, started FROM runs "
        "WHERE ({suffix:String} != '' AND endsWith(replaceAll(toString(run_id), '-', ''), {suffix:String})) "
        "OR (NOT {full:Bool} AND name = {name:String}) ORDER BY started DESC, run_id DESC",
        {"suffix": suffix, "name": name, "full": full},
    )
    runs = [NamedRun(*row) for row in rows]
    if len(runs) == 1:
        return runs[0]
    if runs:
        shown = "".join(_candidate(run) for run in runs[:SHOWN_CANDIDATES])
        more = f"\n  and {len(runs) - SHOWN_CANDIDATES} more" if len(runs) > SHOWN_CANDIDATES else ""
        raise UserError(
            f"{text.printable(name)!r} names {len(runs)} runs; say which by the end of its id:{shown}{more}"
        )
    raise UserError(_nobody(reader, name, hexadecimal and len(digits) < MIN_SUFFIX))


def _nobody(reader: Reader, name: str, short: bool) -> str:
    message = f"no run is called {text.printable(name)!r} and no run's id ends so"
    if short:
        message += f" (the end of an id counts from {MIN_SUFFIX} characters)"
    near = reader.rows(
        "SELECT run_id, name, experiment, state, started FROM runs "
        "ORDER BY ngramDistanceCaseInsensitiveUTF8(name, {name:String}), started DESC, run_id LIMIT 3",
        {"name": name},
    )
    if not near:
        return f"{message}; there are no runs yet"
    return f"{message}; nearest are:{''.join(_candidate(NamedRun(*row)) for row in near)}"


def _candidate(run: NamedRun) -> str:
    where = text.printable(run.experiment)
    return f"\n  {run.run_id}  {text.printable(run.name)}  ({where}, {run.state}, {text.moment_text(run.started)})"
