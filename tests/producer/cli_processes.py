"""The command line as processes of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-c", "from runstream_analytics.cli.app import main; main()"]


def clean_environment() -> dict[str, str]:
    """The environment without settings from outside, and without sampling in the middle of a test."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RUNSTREAM_")}
    return {**kept, "RUNSTREAM_SYSTEM_PERIOD_S": "0"}


def ended(directory: Path, arguments: list[str], timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a program in that working directory to its end, whatever that is."""
    return subprocess.run(
        arguments,
        cwd=directory,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def command(directory: Path, *arguments: str) -> Any:
    """What `runstream … --json` prints in that working directory; it must succeed."""
    done = ended(directory, [*COMMAND, *arguments, "--json"])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
