"""What `runstream sync` did."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from runstream_analytics.left_behind import LeftBehind
from runstream_analytics.render import text
from runstream_analytics.render.tables import plain_table


def left_behind_table(items: Sequence[LeftBehind]) -> Table:
    """One row per journal, spill and artifact."""
    table = plain_table()
    for name in ("kind", "what", "run"):
        table.add_column(name, overflow="fold")
    table.add_column("points", justify="right")
    table.add_column("outcome", overflow="fold")
    for item in items:
        outcome = Text(item.outcome, "red" if item.remains else "green")
        if item.error:
            outcome.append(f" ({text.printable(item.error)})", "default")
        points = text.number(item.points) if item.kind != "artifact" else text.ABSENT
        table.add_row(item.kind, text.printable(item.what), item.run_id, points, outcome)
    return table
