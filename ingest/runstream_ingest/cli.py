"""The command `runstream-ingest`: where it begins, and how it ends when it is interrupted or half installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from runstream_schemas.exit_codes import ExitCode

INTERRUPTED: Final = 130
"""128 and the number of SIGINT, as shells have it."""


def main() -> None:
    """Entry point of the console script."""
    with command_line("runstream-ingest"):
        # The base install, that of training images, has the script but not what it needs.
        from runstream_ingest.commands import app

        app()


@contextmanager
def command_line(name: str) -> Iterator[None]:
    """Load and run commands in here: Ctrl-C and missing packages then end the program without a traceback."""
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing.startswith("runstream"):
            raise  # our mistake, and no package helps
        sys.stderr.write(f"{name}: the package {missing} is not installed; pip install 'runstream[local]' brings it\n")
        sys.exit(ExitCode.STORE_FAILED)
