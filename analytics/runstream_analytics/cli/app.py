"""The command `runstream`: where it begins, and how it ends when it is interrupted."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

INTERRUPTED: Final = 130
"""128 and the number of SIGINT, as shells have it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with a status of runstream_schemas.exit_codes."""
    try:
        # Loading the commands takes long enough for somebody to press Ctrl-C.
        from runstream_analytics.cli.commands import run

        run(arguments)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
