"""`runstream verify`: proof that nothing is missing."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

from runstream_analytics.cli import options, terminal
from runstream_schemas.exit_codes import ExitCode
from runstream_schemas.settings import Settings

HELP: Final = """\
Check that every point that was logged is stored, per rank and attempt.

logged = queued + dropped, and queued = stored + dead-lettered + pending. The verdict is complete; pending (the rest
is on its way); missing (a batch is lost, or the store refused it); or unknown (the run has not said its final count).
The exit status is 0 only when every ledger is complete.

\b
Examples:
  runstream verify
  runstream verify brave-otter && rm -r checkpoints
  runstream verify --json
"""


def _where_the_rest_is(settings: Settings) -> str:
    from runstream.sync import anything_waits

    if not settings.log_dir or anything_waits(settings):
        return "runstream sync ships what processes left behind, in journals and in spill/"
    return "log and journals here hold nothing more: the rest is lost, or elsewhere"


def verify(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN…]", help="By id, end of id or name. Default: all runs.")
    ] = None,
    as_json: options.JsonOption = False,
    directory: options.DirOption = None,
    url: options.UrlOption = None,
    store: options.StoreOption = None,
) -> None:
    """Check that every point that was logged is stored, per rank and attempt."""
    settings = options.settings_from(directory, url, store)

    from runstream.sync import spilled_attempts
    from runstream_analytics.queries.ledgers import knowing_spill, ledgers
    from runstream_analytics.queries.naming import find_runs
    from runstream_analytics.reader import open_reader

    with terminal.patience("opening the store") as listener, open_reader(settings, listener) as reader:
        named = find_runs(reader, runs) if runs else None
        rows = ledgers(reader, None if named is None else [run.run_id for run in named])
    rows = knowing_spill(rows, spilled_attempts(settings))
    without = {run.run_id for run in named or ()} - {row["run_id"] for row in rows}
    complete = bool(rows) and not without and all(row["verdict"] == "complete" for row in rows)
    if as_json:
        terminal.show_json(rows)
    elif rows:
        from runstream_analytics.render.ledger import ledger_summary, ledger_table

        terminal.show(ledger_table(rows), "", ledger_summary(rows))
    for run_id in sorted(map(str, without)):
        terminal.tell(f"{run_id} has no ledger: nothing but params or tags is known of it")
    if not rows:
        terminal.tell("there is nothing to verify")
    elif any(row["verdict"] in ("pending", "unknown") for row in rows):
        terminal.tell(_where_the_rest_is(settings))
    if any(row["dead_lettered"] for row in rows):
        terminal.tell("runstream-ingest deadletters list tells what the store refused, and why")
    if not complete:
        sys.exit(ExitCode.INCOMPLETE)
