"""One engine in a process of its own, and what may be asked of it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import clickhouse_connect

import support_events
from runstream_schemas.layout import OneServer
from runstream_schemas.tables import migrations

READ_SETTINGS = {"do_not_merge_across_partitions_select_final": 1}

_clients: dict[str, Any] = {}


def open_database(root: Path, database: str) -> None:
    """An empty store of all tables and views."""
    admin = clickhouse_connect.get_client(dsn=f"chdb://{root}", database="default")
    admin.command(f"CREATE DATABASE {database}")
    client = clickhouse_connect.get_client(dsn=f"chdb://{root}", database=database)
    for migration in OneServer(database).migrations(migrations()):
        for statement in migration.statements:
            client.command(statement)
    _clients[database] = client


def insert(database: str, event: str, records: Sequence[dict[str, Any]]) -> None:
    """Insert events through their landing table; raises ValueError with the engine's message."""
    try:
        support_events.insert(_clients[database], event, records)
    except Exception as error:  # the engine's own class holds what cannot be pickled
        raise ValueError(str(error)) from None


def query(database: str, sql: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    return [
        tuple(row) for row in _clients[database].query(sql, parameters=parameters, settings=READ_SETTINGS).result_rows
    ]


def command(database: str, sql: str) -> None:
    """Run a statement."""
    _clients[database].command(sql)


class Store:
    """A database in the engine's process."""

    def __init__(self, call: Callable[..., Any], database: str) -> None:
        self._call = call
        self.database = database

    def insert(self, event: str, *records: dict[str, Any]) -> None:
        self._call(insert, self.database, event, records)

    def query(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self._call(query, self.database, sql, parameters)
        return found

    def one(self, sql: str, **parameters: Any) -> Any:
        ((value,),) = self.query(sql, **parameters)
        return value

    def command(self, sql: str) -> None:
        self._call(command, self.database, sql)
