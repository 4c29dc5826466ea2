"""What `runstream delete` is about to take away."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from runstream_analytics.queries.deletable import Deletable
from runstream_analytics.render import text
from runstream_analytics.render.tables import STATE_STYLES, plain_table


def deletable_table(runs: Sequence[Deletable]) -> Table:
    """One row per run, with its full id: this is the moment to be sure."""
    table = plain_table()
    table.add_column("id", no_wrap=True, overflow="fold")
    for name in ("name", "experiment", "state", "started"):
        table.add_column(name, overflow="fold")
    table.add_column("points", justify="right")
    table.add_column("artifacts", justify="right")
    for run in runs:
        table.add_row(
            str(run.run_id),
            text.printable(run.name),
            text.printable(run.experiment),
            Text(run.state, STATE_STYLES.get(run.state, "")),
            text.moment_text(run.started),
            text.number(run.points),
            text.number(run.artifacts),
        )
    return table
