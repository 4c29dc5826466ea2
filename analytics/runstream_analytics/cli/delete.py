"""`runstream delete`: runs out of sight, for good."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from runstream_analytics.cli import options, terminal

if TYPE_CHECKING:
    from runstream_analytics.queries.deletable import Deletable
    from runstream_schemas.settings import Settings

HELP: Final = """\
Delete runs: show what would go, and with --yes do it.

Deleting adds an event to the log, so loading the log again does not bring the runs back. Their points leave the
store in the background; artifacts stay at their root. An attempt that begins later under the same id is visible.

\b
Examples:
  runstream delete brave-otter
  runstream delete brave-otter 5c06235d --yes
"""


def delete(
    runs: options.NamedRuns,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do it. Without, only what would be deleted is shown.")
    ] = False,
    as_json: options.JsonOption = False,
    directory: options.DirOption = None,
    url: options.UrlOption = None,
    store: options.StoreOption = None,
) -> None:
    """Delete runs: show what would go, and with --yes do it."""
    settings = options.settings_from(directory, url, store)

    from runstream_analytics.queries.deletable import deletable
    from runstream_analytics.queries.naming import find_runs
    from runstream_analytics.reader import open_reader
    from runstream_ingest.free import free_deleted

    with terminal.patience("opening the store") as listener, open_reader(settings, listener) as reader:
        chosen = deletable(reader, [run.run_id for run in find_runs(reader, runs)])
    if yes:
        _delete(settings, chosen)
        # Loading the event now means that the next command does not show the runs.
        with terminal.patience("deleting") as listener, open_reader(settings, listener) as reader:
            if settings.store_dir and not reader.served_by:
                # An embedded store has no background but the processes that open it.
                free_deleted(reader.client)
    if as_json:
        terminal.show_json([run.as_object() | {"deleted": yes} for run in chosen])
        return

    from runstream_analytics.render import text
    from runstream_analytics.render.deletable import deletable_table

    terminal.show(deletable_table(chosen))
    for run in chosen:
        if run.state == "running" and not yes:
            terminal.tell(f"{run.run_id} is running: what its attempts log from now on would not be seen either")
    terminal.tell(f"deleted {text.counted(len(chosen), 'run')}" if yes else "nothing was deleted; add --yes to do it")
    if yes and chosen and settings.log_dir is None:
        terminal.tell("they are gone as soon as the worker has read it from the topic")


def _delete(settings: Settings, chosen: list[Deletable]) -> None:
    from runstream_analytics.log_events import append_event, deletion

    now = time.time_ns() // 1000
    for run in chosen:
        # A host whose clock is ahead may have begun an attempt later than now.
        until = max(now, run.newest_attempt)
        append_event(settings, "tag", deletion(run.run_id, until, now), attempt=now)
