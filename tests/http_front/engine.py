"""Running statements in the embedded engine, several at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import chdb

from http_front.request import Insert, Request
from runstream_analytics.serve.engine import EngineError, Pool, assignment, name_of, run

__all__ = ["Engine", "EngineError", "memory_file"]


class Key(NamedTuple):
    database: str
    readonly: int
    settings: tuple[tuple[str, str], ...]


class Engine:
    """The engine on one directory. A connection does one thing at a time and keeps its settings, so there are several.

    All methods raise EngineError.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._pool: Pool[Key, Any] = Pool(self._open)
        # Holds the directory as long as this process lives, and shows at once when another one has it.
        self._first = self._open(Key("default", 0, ()))
        self.version = run(self._first, "SELECT version()").bytes().decode().strip()

    def run(self, request: Request, statement: str, *, readonly: int) -> bytes:
        """The result of a statement, in the format that it or the request names."""
        beside = request.beside
        with self._pool.lent(Key(beside.database, readonly, beside.settings)) as connection:
            return run(connection, statement, beside.format, beside.parameters).bytes() or b""

    def insert(self, request: Request, insert: Insert, data: int, *, readonly: int) -> None:
        """Insert what a file descriptor holds."""
        sql = f"INSERT INTO {insert.table} {insert.columns} FROM INFILE '/proc/self/fd/{data}' FORMAT {insert.format}"
        beside = request.beside
        with self._pool.lent(Key(beside.database, readonly, beside.settings)) as connection:
            run(connection, sql, beside.format)

    def _open(self, key: Key) -> Any:
        connection = chdb.connect(str(self._directory))
        try:
            run(connection, f"USE {name_of(key.database)}")
            if key.readonly:
                # First, so that the settings of the request meet it as they would on a server.
                run(connection, f"SET readonly = {key.readonly:d}")
            for setting in key.settings:
                run(connection, f"SET {assignment(*setting)}")
        except EngineError:
            connection.close()
            raise
        return connection


def memory_file() -> int:
    """A descriptor for the data of one INSERT; the caller closes it."""
    return os.memfd_create("http-front-insert")
