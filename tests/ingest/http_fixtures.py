"""Fixtures of stores on a server; a test module takes them with `pytest_plugins`."""

from collections.abc import Callable
from pathlib import Path

import engine_tasks as tasks
import failing_store
import ingest_support
import pytest
import refusals
from http_stores import settings_for

from http_front.control import RunningFront
from runstream_ingest.store import open_store
from runstream_schemas.settings import Settings


@pytest.fixture
def url(front: RunningFront, tmp_path: Path) -> str:
    """Of an empty store with its tables."""
    made = front.store_url()
    with open_store(settings_for(made, tmp_path)):
        pass
    front.clear()
    return made


@pytest.fixture
def over_http(front: RunningFront, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Settings]:
    """What other tests do in the process that owns the engine opens stores on the server instead, one per directory."""
    urls: dict[Path, str] = {}

    def settings_in(directory: Path) -> Settings:
        if directory not in urls:
            urls[directory] = front.store_url()
        return settings_for(urls[directory], directory)

    for module in (ingest_support, tasks, failing_store, refusals):
        monkeypatch.setattr(module, "settings_in", settings_in)
    return settings_in
