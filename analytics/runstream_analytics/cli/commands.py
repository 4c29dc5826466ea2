"""The commands of `runstream`, and what a person is told when one of them cannot go on."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from runstream_analytics.cli import (
    dashboards,
    delete,
    demo,
    doctor,
    ls,
    plot,
    serve,
    show,
    sql,
    sync,
    terminal,
    topics,
    verify,
)
from runstream_analytics.errors import UserError
from runstream_schemas.exit_codes import ExitCode

app = typer.Typer(
    name="runstream",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
app.command("ls", help=ls.HELP, short_help="The leaderboard: runs filtered, sorted, in columns you choose.")(ls.ls)
app.command("show", help=show.HELP, short_help="Everything about one run or several.")(show.show)
app.command("plot", help=plot.HELP, short_help="Charts of metrics in the terminal.")(plot.plot)
app.command("sql", help=sql.HELP, short_help="Ask the store in SQL.")(sql.sql)
app.command("serve", help=serve.HELP, short_help="Serve the store to Grafana and any ClickHouse client.")(serve.serve)
app.command("verify", help=verify.HELP, short_help="Check that everything that was logged is stored.")(verify.verify)
app.command("sync", help=sync.HELP, short_help="Ship what killed processes left behind.")(sync.sync)
app.command("delete", help=delete.HELP, short_help="Delete runs, after showing which.")(delete.delete)
app.command("doctor", help=doctor.HELP, short_help="Check the installation, and say how to mend it.")(doctor.doctor)
app.add_typer(topics.app, name="topics", help="The topics that a broker needs for events.")
app.add_typer(dashboards.app, name="dashboards", help="Grafana dashboards and alert rules.")
app.command("demo", help=demo.HELP, short_help="Train a sweep of small models, and look at it.")(demo.demo)


def _show_version(wanted: bool) -> None:
    if wanted:
        from runstream import __version__

        typer.echo(f"runstream {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Read what training runs logged: leaderboards, charts, SQL, and proof that nothing is missing."""


def run(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit."""
    # The driver logs what it raises as well; a person is told once.
    logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())
    terminal.prepare_streams()
    try:
        app(args=list(arguments) if arguments is not None else None, prog_name="runstream")
    except UserError as error:
        terminal.tell(f"runstream: {error}")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader, such as head, has seen enough.
        terminal.forget_output()
        sys.exit(ExitCode.OK)
    except OSError as error:
        terminal.tell(f"runstream: {error.filename or 'the answer could not be written'}: {error.strerror}")
        terminal.forget_output()
        sys.exit(ExitCode.INCOMPLETE)
