"""`runstream sql`: the store's views, asked directly."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, Final

import typer

from runstream_analytics.cli import options, terminal
from runstream_analytics.errors import UserError


class Format(StrEnum):
    """How the answer is printed."""

    table = "table"
    json = "json"
    csv = "csv"


HELP: Final = """\
Ask the store in ClickHouse's SQL; only reading is allowed without --write.

The views are runs, params, tags, points, metric_summary, artifacts, models, attempts, environment, ledger, and
chart(…) for downsampled series; docs/sql.md describes them.

\b
Examples:
  runstream sql 'SELECT state, count() FROM runs GROUP BY state'
  runstream sql "SELECT step, value FROM points WHERE metric = 'train/loss' ORDER BY step" --format csv
  runstream sql - < question.sql
"""


def sql(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="The SQL, or - to read it from stdin.")],
    form: Annotated[
        Format | None, typer.Option("--format", "-f", help="How to print it. Default: table in a terminal, else csv.")
    ] = None,
    as_json: options.JsonOption = False,
    write: Annotated[bool, typer.Option("--write", help="Allow SQL that changes the store.")] = False,
    directory: options.DirOption = None,
    url: options.UrlOption = None,
    store: options.StoreOption = None,
) -> None:
    """Ask the store in ClickHouse's SQL; only reading is allowed without --write."""
    settings = options.settings_from(directory, url, store)
    if query == "-":
        query = _from_stdin()
    if as_json:
        form = Format.json
    elif form is None:
        form = Format.table if terminal.stdout_is_terminal() else Format.csv

    from runstream_analytics.queries import free_sql
    from runstream_analytics.reader import open_reader

    with terminal.patience("asking the store") as listener, open_reader(settings, listener) as reader:
        if form is Format.table:
            answer = free_sql.answer_table(reader, query, write=write)
        elif form is Format.json:
            content = free_sql.answer_json(reader, query, write=write)
        else:
            content = free_sql.answer_csv(reader, query, write=write)
    if form is not Format.table:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    elif answer.columns:
        from runstream_analytics.render.answer import answer_table

        terminal.show(answer_table(answer))


def _from_stdin() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise UserError(f"stdin is not UTF-8 text: {error}") from error
