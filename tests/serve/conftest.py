"""The real program as a process, on a directory with logged runs."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "analytics"))

import logged_runs
from serving import Served, serving


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that all tests may ask; none changes it."""
    directory = tmp_path_factory.mktemp("served")
    logged_runs.write(directory / ".runstream" / "log")
    with serving(directory) as running:
        running.await_load()
        yield running


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """`serve(*arguments)` starts a server for one test, on a log of its own; ended at the end."""
    from contextlib import ExitStack

    logged_runs.write(tmp_path / ".runstream" / "log")
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(serving(tmp_path, *arguments))
