"""A store with the demo's runs, open for queries."""

from collections.abc import Iterator

import pytest
from engine import Engine, command, opened


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The demo's store."""
    directory = tmp_path_factory.mktemp("demo")
    command(directory, "demo")
    with opened(directory / ".demo" / "store") as engine:
        yield engine
