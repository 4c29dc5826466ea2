"""A store with the demo's runs, open for queries."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from engine import Engine, command, opened


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The demo's store."""
    directory = tmp_path_factory.mktemp("demo")
    command(directory, "demo")
    with opened(directory / ".demo" / "store") as engine:
        yield engine
