"""What `runstream doctor` found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from runstream_analytics.checks.check import Check
from runstream_analytics.render import text

STATUS_STYLES: Final = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def checks_table(checks: Sequence[Check]) -> Table:
    """One line per check, with the remedy under what is not well."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        detail = Text(text.printable(check.detail))
        if check.fix:
            detail.append(f"\n→ {text.printable(check.fix)}", "bold")
        table.add_row(Text(check.status, STATUS_STYLES[check.status]), check.name, detail)
    return table
