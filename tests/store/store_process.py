"""One engine in a process of its own, and what may be asked of it."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import clickhouse_connect

import support_events
from runstream_ingest.findings import renew
from runstream_schemas.layout import OneServer
from runstream_schemas.tables import migrations

READ_SETTINGS = {"do_not_merge_across_partitions_select_final": 1}

FROM_FINDINGS = re.compile(r"\b(diagnosis|metric_summary(_by_rank)?)\b")
"""Views that are as new as the findings."""

_clients: dict[str, Any] = {}
_inserted: set[str] = set()
"""Databases with events since the findings were renewed."""


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
        _inserted.add(database)
        support_events.insert(_clients[database], event, records)
    except Exception as error:  # the engine's own class holds what cannot be pickled
        raise ValueError(str(error)) from None


def renew_findings(database: str) -> int:
    """As a worker does some seconds after an insert; the number of runs that were looked at."""
    _inserted.discard(database)
    return renew(_clients[database], 0)


def query(database: str, sql: str, parameters: dict[str, Any], *, renewed: bool) -> list[tuple[Any, ...]]:
    """The rows of a query, with the findings renewed first if that is wanted and it reads them."""
    if renewed and database in _inserted and FROM_FINDINGS.search(sql):
        renew_findings(database)
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
        """What a reader finds some seconds after the last insert."""
        return self._query(sql, parameters, renewed=True)

    def query_at_once(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """What a reader finds before the findings are renewed."""
        return self._query(sql, parameters, renewed=False)

    def renew(self) -> int:
        return int(self._call(renew_findings, self.database))

    def _query(self, sql: str, parameters: dict[str, Any], *, renewed: bool) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self._call(partial(query, renewed=renewed), self.database, sql, parameters)
        return found

    def one(self, sql: str, **parameters: Any) -> Any:
        ((value,),) = self.query(sql, **parameters)
        return value

    def command(self, sql: str) -> None:
        self._call(command, self.database, sql)
