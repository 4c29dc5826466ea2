"""Stores that a test fills itself, through the landing tables as the worker does."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

Fill = Callable[[Any], None]
"""Called with a client of the empty store, in another process: a function of a module, or a partial of one."""


def made(directory: Path, fill: Fill) -> Path:
    """A new store, filled and closed: whoever asks it opens it in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_make, directory, fill).result(timeout=110)


def nothing(client: Any) -> None:
    """Leaves a store empty."""


def _make(directory: Path, fill: Fill) -> Path:
    from runstream_ingest.findings import renew
    from runstream_ingest.store import open_store
    from runstream_schemas import settings

    found = settings.load(dir=directory, environ={}, cwd=directory)
    with open_store(found) as store:
        fill(store.client)
        renew(store.client, 0)
    assert found.store_dir
    return Path(found.store_dir)
