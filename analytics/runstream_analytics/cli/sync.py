"""`runstream sync`: what processes left behind reaches the event log."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

from runstream_analytics.cli import options, terminal
from runstream_schemas.exit_codes import ExitCode

HELP: Final = """\
Ship what killed processes left in journals and in spill/, and upload the artifacts that they left in staging.

Runs that are still going are left alone. Shipping twice changes nothing. The exit status is 0 when nothing is left.

\b
Examples:
  runstream sync
  runstream sync --dir /scratch/job-17/.runstream && runstream verify
"""


def sync(
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, metavar="SECONDS", help="How long one journal or spill may take.")
    ] = 60.0,
    as_json: options.JsonOption = False,
    directory: options.DirOption = None,
    url: options.UrlOption = None,
    artifacts: options.ArtifactsOption = None,
) -> None:
    """Ship what killed processes left in journals and in spill/, and the artifacts that they left in staging."""
    settings = options.settings_from(directory, url, None, artifacts)

    from runstream_analytics.left_behind import ship_all

    shipped = []
    with terminal.patience("shipping what was left behind") as listener:
        for item in ship_all(settings, timeout):
            shipped.append(item)
            listener.doing(f"shipping what was left behind: {len(shipped)} done")
    if as_json:
        terminal.show_json([item.as_object() for item in shipped])
    elif shipped:
        from runstream_analytics.render.left_behind import left_behind_table

        terminal.show(left_behind_table(shipped))
    else:
        terminal.tell("nothing was left behind")
    if any(item.remains for item in shipped):
        sys.exit(ExitCode.INCOMPLETE)
