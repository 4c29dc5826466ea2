"""The embedded engine allows one store path at a time in a process: here it lives in a process of its own."""

import itertools
import multiprocessing
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))

from store_process import Store, open_database

_numbers = itertools.count()


@pytest.fixture(scope="session")
def new_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Store]]:
    """Makes empty stores."""
    root = tmp_path_factory.mktemp("engine")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:

        def call(function: Callable[..., object], *arguments: object) -> object:
            return pool.submit(function, *arguments).result(timeout=110)

        def make() -> Store:
            name = f"t{next(_numbers)}"
            call(open_database, root, name)
            return Store(call, name)

        yield make


@pytest.fixture(scope="session")
def store(new_store: Callable[[], Store]) -> Store:
    """One store for tests that use run ids of their own."""
    return new_store()
