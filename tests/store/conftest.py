"""One embedded store per test session, one database per test: chDB allows one path per process."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect import get_client

from runstream_schemas.tables import migrations

_numbers = itertools.count()


def migrate(client: Any) -> None:
    for migration in migrations():
        for statement in migration.statements:
            client.command(statement)


@pytest.fixture(scope="session")
def store_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def new_store(store_path: Path) -> Iterator[Callable[[], Any]]:
    """Makes empty stores, each a client on a database of its own."""
    root = get_client(dsn=f"chdb://{store_path}")
    made: list[str] = []

    def make() -> Any:
        name = f"store_{next(_numbers)}"
        root.command(f"CREATE DATABASE {name}")
        made.append(name)
        client = get_client(dsn=f"chdb://{store_path}", database=name)
        migrate(client)
        return client

    yield make
    for name in made:
        root.command(f"DROP DATABASE {name} SYNC")


@pytest.fixture
def store(new_store: Callable[[], Any]) -> Any:
    return new_store()
