"""The commands of `runstream-ingest`."""

from __future__ import annotations

import typer

from runstream_ingest import console, deadletter_cli, run_cli
from runstream_ingest.console import DirOption, StoreOption
from runstream_ingest.store import open_store

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # what stands in brackets would be taken for markup
    context_settings={"help_option_names": ["-h", "--help"]},
    help="The ingest worker: moves events from the log into the store.",
)
app.command(help=run_cli.HELP, short_help="Load events into the store.")(run_cli.run)
app.add_typer(deadletter_cli.app, name="deadletters")


@app.command()
def migrate(directory: DirOption = None, store_url: StoreOption = None) -> None:
    """Create the store's tables and views, or bring them to this version; opening the store does it as well.

    Example: runstream-ingest migrate --store https://user:password@clickhouse:8443/runstream
    """
    settings = console.settings(dir=directory, store=store_url)
    with console.store_errors(), open_store(settings, on_wait=console.on_wait):
        console.say("the store is up to date")
