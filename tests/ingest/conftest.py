"""The embedded engine allows one store path at a time in a process, and other tests of this session may hold one:
whatever opens a store here runs in one process of its own.
"""

import multiprocessing
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))


@pytest.fixture(scope="session")
def in_engine() -> Iterator[Callable[..., Any]]:
    """Calls a module-level function in the process that owns the engine, and gives its result."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        yield lambda function, *args: pool.submit(function, *args).result(timeout=100)


@pytest.fixture(scope="session")
def model(in_engine: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What every view shows of `ingest_support.write_history`, loaded once into an empty store."""
    import engine_tasks

    return in_engine(engine_tasks.history_alone, tmp_path_factory.mktemp("model"))


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    """A delivery with scripted surroundings."""
    import scripted

    return scripted.bench_in(tmp_path)
