"""Whole pipelines out of real processes, and what they need around them."""

import multiprocessing
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
# The tests of workers hold a worker in the same hand; those of producers know small disks.
sys.path += [str(Path(__file__).parent.parent / part) for part in ("ingest", "producer")]

from server import Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A ClickHouse server that the test may kill."""
    with Server(tmp_path / "server") as started:
        yield started


@pytest.fixture
def in_engine() -> Iterator[Callable[..., Any]]:
    """Calls a module-level function in a process of its own, and gives its result: the engine takes one directory."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        yield lambda function, *args: pool.submit(function, *args).result(timeout=100)
