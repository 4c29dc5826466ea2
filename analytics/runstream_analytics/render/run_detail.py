"""The page of `runstream show`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from runstream_analytics.render import text
from runstream_analytics.render.ledger import ledger_table
from runstream_analytics.render.tables import STATE_STYLES, facts, filled_table

NONFINITE: Final = ((1, "NaN"), (2, "+∞"), (4, "-∞"))
"""The bits of metric_summary.nonfinite."""

_PLAIN_FACTS: Final = ("python", "torch", "cuda", "driver", "gpus", "cpu", "memory_bytes", "os")


def run_page(detail: Mapping[str, Any], now: datetime) -> Iterator[RenderableType]:
    """The heading and a table for each part; what there is none of is left out."""
    yield Text(text.printable(detail["name"] or "(no name)"), "bold")
    yield facts(_heading(detail, now))
    for title, table in (
        ("params", _pairs(detail["params"])),
        ("tags", _pairs(detail["tags"])),
        ("metrics", _metrics(detail["metrics"])),
        ("artifacts", _artifacts(detail["artifacts"])),
        ("attempts", _attempts(detail["attempts"])),
        ("code and environment", _environment(detail["environment"])),
        ("ledger", ledger_table([{"name": detail["name"], **row} for row in detail["ledger"]], name=False)),
    ):
        if table.row_count:
            yield Text(f"\n{title}", "bold")
            yield table


def _heading(detail: Mapping[str, Any], now: datetime) -> dict[str, str | Text]:
    state = str(detail["state"])
    heading: dict[str, str | Text] = {
        "id": str(detail["run_id"]),
        "experiment": text.printable(detail["experiment"]),
        "state": Text(state, STATE_STYLES.get(state, "")),
        "started": f"{text.moment_text(detail['started'])} UTC ({text.ago(detail['started'], now)})",
        "duration": text.duration(detail["duration_s"]),
        "last step": text.number(detail["last_step"]),
        "user": text.printable(f"{detail['user']} on {detail['host']}"),
    }
    if detail["world_size"] > 1:
        heading["ranks"] = f"{detail['ranks']} of {detail['world_size']}"
    if detail["error"]:
        heading["error"] = Text(text.printable(detail["error"]), "red")
    return heading


def _pairs(rows: Mapping[str, Any]) -> Table:
    return facts({key: text.shortened(text.value_text(value), 400) for key, value in rows.items()})


def _metrics(rows: list[dict[str, Any]]) -> Table:
    numbers = ("last", "last_step", "min", "min_step", "max", "max_step")
    return filled_table(
        [
            ("metric", "left"),
            *((heading, "right") for heading in ("last", "at step", "min", "at", "max", "at")),
            ("not finite", "left"),
        ],
        [
            [
                text.printable(row["metric"]),
                *(text.number(row[key]) for key in numbers),
                Text(nonfinite_text(row), "red"),
            ]
            for row in rows
        ],
    )


def nonfinite_text(row: Mapping[str, Any]) -> str:
    """Such as: first NaN at step 1 240."""
    step = row["first_nonfinite_step"]
    if step is None:
        return ""
    kinds = [name for bit, name in NONFINITE if row["nonfinite"] & bit]
    value = row.get("first_nonfinite_value")
    first = text.number(value) if value is not None else "/".join(kinds)
    others = [kind for kind in kinds if kind.lstrip("+") != first]
    return f"first {first} at step {text.number(step)}" + (f", also {', '.join(others)}" if others else "")


def _artifacts(rows: list[dict[str, Any]]) -> Table:
    return filled_table(
        [
            ("artifact", "left"),
            ("v", "right"),
            ("type", "left"),
            ("size", "right"),
            ("step", "right"),
            ("aliases", "left"),
            ("where", "left"),
        ],
        [
            [
                text.printable(row["name"]),
                str(row["version"]),
                text.printable(row["type"]),
                text.size(row["size"]),
                text.number(row["step"]),
                text.printable(", ".join(row["aliases"])),
                _where(row),
            ]
            for row in rows
        ],
    )


def _where(artifact: Mapping[str, Any]) -> Text:
    if artifact["state"] == "failed":
        return Text(text.printable(f"failed: {artifact['error']}"), "red")
    return Text(text.printable(artifact["uri"]))


def _attempts(rows: list[dict[str, Any]]) -> Table:
    headings = ("rank", "attempt", "state", "started", "last step", "host", "pid", "device", "remarks")
    return filled_table(
        [(heading, "right" if heading in ("last step", "pid") else "left") for heading in headings],
        [
            [
                str(row["rank"]),
                str(row["number"]),
                Text(row["state"], STATE_STYLES.get(row["state"], "")),
                text.moment_text(row["started"]),
                text.number(row["last_step"]),
                text.printable(row["host"]),
                str(row["pid"]),
                text.printable(row["device"]),
                text.printable("; ".join(filter(None, _remarks(row)))),
            ]
            for row in rows
        ],
    )


def _remarks(attempt: Mapping[str, Any]) -> list[str]:
    return [attempt["breach"], attempt["error"], "" if attempt["crash_safe"] else "not crash-safe"]


def _environment(rows: list[dict[str, Any]]) -> Table:
    if not rows:
        return facts({})
    # Rank 0 knows of the job as a whole; other nodes differ in their machine only.
    first = rows[0]
    known: dict[str, str | Text] = {}
    if first["commit"]:
        branch = f" on {first['branch']}" if first["branch"] else ""
        dirty = f", changed ({len(first['diff'].splitlines())} lines of diff)" if first["dirty"] else ""
        known["commit"] = text.printable(f"{first['commit'][:12]}{branch}{dirty}")
    if first["command"]:
        known["command"] = text.printable(" ".join(first["command"]))
    if first["untracked"]:
        known["untracked"] = text.shortened(text.value_text(first["untracked"]), 200)
    for key in _PLAIN_FACTS:
        if first["environment"].get(key):
            value = first["environment"][key]
            known[key.removesuffix("_bytes")] = (
                text.size(int(value)) if key == "memory_bytes" and value.isdigit() else (text.printable(value))
            )
    if first["packages"]:
        known["packages"] = f"{len(first['packages'])} (hash {first['packages_hash'][:12]}; all with --json)"
    return facts(known)
