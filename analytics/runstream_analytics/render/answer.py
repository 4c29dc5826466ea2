"""The answer to a person's SQL."""

from __future__ import annotations

from rich.table import Table

from runstream_analytics.queries.free_sql import Answer
from runstream_analytics.render import text
from runstream_analytics.render.tables import plain_table


def answer_table(answer: Answer) -> Table:
    """Numbers on the right, everything else as the store writes it; nothing is cut, long text is folded."""
    table = plain_table()
    for name, kind in zip(answer.columns, answer.types, strict=True):
        right = kind.removeprefix("Nullable(").startswith(("Int", "UInt", "Float", "Decimal"))
        table.add_column(text.printable(name), justify="right" if right else "left", overflow="fold")
    for row in answer.rows:
        table.add_row(*(_cell(value) for value in row))
    return table


def _cell(value: object) -> str:
    return text.printable(value) if isinstance(value, str) else text.ABSENT if value is None else text.exact(value)
