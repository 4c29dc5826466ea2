"""Stores on a server, for tests: opening them, inserting into them, reading all that they show."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import ingest_support
import worker_process

from http_front.control import RunningFront
from runstream_ingest import connect
from runstream_ingest.destination import StoreDestination
from runstream_ingest.sink import HttpInserter
from runstream_ingest.store import open_store
from runstream_schemas import settings
from runstream_schemas.settings import Settings


def settings_for(url: str, directory: Path) -> Settings:
    return settings.load(environ={}, cwd=directory, dir=directory / ".runstream", store=url)


def destination(url: str, timeout_s: float = 60.0) -> StoreDestination:
    opened = connect.server(url, timeout_s=timeout_s)
    return StoreDestination(HttpInserter(opened()), opened)


def shown(url: str, directory: Path) -> dict[str, list[str]]:
    """The rows of every public view."""
    with open_store(settings_for(url, directory)) as store:
        return ingest_support.everything(store)


def to_landing(front: RunningFront, at_least: int = 0) -> list[dict[str, Any]]:
    """The INSERTs of events that came."""
    return [seen for seen in front.inserts(at_least) if seen["table"].startswith("landing_")]


def ended(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env={name: value for name, value in worker_process.environment().items() if "proxy" not in name.lower()}
        | {"COLUMNS": "200"},
        timeout=100,
        check=False,
    )
