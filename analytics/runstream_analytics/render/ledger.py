"""The ledger as a table of numbers that must add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from runstream_analytics.render import text
from runstream_analytics.render.tables import plain_table

VERDICT_STYLES: Final = {"complete": "green", "pending": "yellow", "missing": "red", "unknown": "magenta"}

_NUMBERS: Final = ("logged", "queued", "stored", "dead_lettered", "pending")

_SHOWN_SEQS: Final = 5


def ledger_table(rows: Sequence[Mapping[str, Any]], *, name: bool = True) -> Table:
    """One row per rank and attempt: logged = queued + dropped, queued = stored + dead-lettered + pending."""
    table = plain_table()
    if name:
        table.add_column("run", overflow="fold")
    for heading in ("rank", "attempt", "logged", "queued", "stored", "dead-lettered", "pending", "dropped"):
        table.add_column(heading, justify="right")
    table.add_column("verdict", overflow="fold")
    runs = Counter(name for name, _ in {(row["name"], row["run_id"]) for row in rows}) if name else Counter()
    for row in rows:
        verdict = Text(row["verdict"], VERDICT_STYLES.get(row["verdict"], "")).append(_why(row), "default")
        cells = [_run(row, runs)] if name else []
        cells += [str(row["rank"]), str(row["number"]), *(text.number(int(row[key])) for key in _NUMBERS)]
        table.add_row(*cells, text.number(sum(row["dropped"].values())), verdict)
    return table


def _run(row: Mapping[str, Any], runs: Counter[str]) -> str:
    """Its name, with the end of its id where several runs are called so."""
    if not row["name"]:
        return str(row["run_id"])
    called = text.printable(row["name"])
    return called if runs[row["name"]] == 1 else f"{called} {text.id_suffix(row['run_id'], text.SHORT_ID)}"


def _why(row: Mapping[str, Any]) -> str:
    reasons = [f"{text.number(count)} dropped: {reason}" for reason, count in sorted(row["dropped"].items()) if count]
    missing = list(row["missing_seqs"])
    if missing:
        shown = ", ".join(str(seq) for seq in missing[:_SHOWN_SEQS])
        reasons.append(f"no batch {shown}{', …' if len(missing) > _SHOWN_SEQS else ''}")
    if row["verdict"] == "unknown" and not row["final"]:
        reasons.append("no final count from the run yet")
    return f" ({'; '.join(text.printable(reason) for reason in reasons)})" if reasons else ""


def ledger_summary(rows: Sequence[Mapping[str, Any]]) -> Text:
    """All ledgers in one line."""
    verdicts = Counter(row["verdict"] for row in rows)
    logged, stored = (sum(row[key] for row in rows) for key in ("logged", "stored"))
    runs, attempts = text.counted(len({row["run_id"] for row in rows}), "run"), text.counted(len(rows), "attempt")
    line = Text(f"{text.counted(logged, 'point')} logged by {runs} in {attempts}, {text.number(stored)} stored: ")
    for number, (verdict, count) in enumerate(sorted(verdicts.items())):
        line.append(", " if number else "")
        line.append(verdict if len(verdicts) == 1 else f"{count} {verdict}", VERDICT_STYLES.get(verdict, ""))
    return line
