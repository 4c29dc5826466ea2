"""Commands run in a process of their own: the embedded engine allows one store at a time in a process."""

import multiprocessing
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

import cli_tasks
import logged_runs


@pytest.fixture(scope="session")
def invoke() -> Iterator[Callable[..., cli_tasks.Result]]:
    """`invoke(directory, *arguments, stdin="")` runs a command in that working directory."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:

        def run(directory: Path, *arguments: str, stdin: str = "") -> cli_tasks.Result:
            return pool.submit(cli_tasks.invoke, directory, arguments, stdin).result(timeout=100)

        yield run


@pytest.fixture(scope="session")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with the runs of `logged_runs`; tests only read it."""
    directory = tmp_path_factory.mktemp("logged")
    logged_runs.write(directory / ".runstream" / "log")
    return directory


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A working directory with the runs of `logged_runs`, for one test alone."""
    logged_runs.write(tmp_path / ".runstream" / "log")
    return tmp_path


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with more runs than a terminal has lines."""
    directory = tmp_path_factory.mktemp("many")
    logged_runs.write_many(directory / ".runstream" / "log")
    return directory
