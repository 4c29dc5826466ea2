"""The command `runstream`: its commands, and how errors leave it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

import typer

from runstream_analytics.cli import delete, demo, doctor, ls, plot, show, sql, sync, terminal, verify
from runstream_analytics.errors import UserError

app = typer.Typer(
    name="runstream",
    help="Read what training runs logged: leaderboards, charts, SQL, and proof that nothing is missing.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
app.command("ls", help=ls.HELP)(ls.ls)
app.command("show", help=show.HELP)(show.show)
app.command("plot", help=plot.HELP)(plot.plot)
app.command("sql", help=sql.HELP)(sql.sql)
app.command("verify", help=verify.HELP)(verify.verify)
app.command("sync", help=sync.HELP)(sync.sync)
app.command("delete", help=delete.HELP)(delete.delete)
app.command("doctor", help=doctor.HELP)(doctor.doctor)
app.command("demo", help=demo.HELP)(demo.demo)

INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with a status of runstream_schemas.exit_codes."""
    # The driver logs what it raises as well; a person is told once.
    logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())
    try:
        app(args=list(arguments) if arguments is not None else None, prog_name="runstream")
    except UserError as error:
        terminal.tell(f"runstream: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader, such as head, has seen enough; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
