"""Runs in the process of the tests."""

from pathlib import Path
from typing import Any

from runstream.api import init
from runstream.run import Run


def start(directory: Path, **arguments: Any) -> Run:
    run = init(arguments.pop("experiment", "test"), dir=directory, **arguments)
    assert isinstance(run, Run)
    return run
