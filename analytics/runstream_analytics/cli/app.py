"""The command `runstream`: where it begins."""

from __future__ import annotations

from collections.abc import Sequence

from runstream_ingest.cli import command_line


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with a status of runstream_schemas.exit_codes."""
    with command_line("runstream"):
        # Loading the commands takes long enough for somebody to press Ctrl-C.
        from runstream_analytics.cli.commands import run

        run(arguments)
