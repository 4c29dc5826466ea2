"""Running statements in the embedded engine, several at once."""

from __future__ import annotations

import os
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import chdb

from http_front.request import Insert, Request

Key = tuple[str, int, tuple[tuple[str, str], ...]]
SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class EngineError(Exception):
    """What the engine answers instead of a result; its text may hold bytes that are no UTF-8."""

    def __init__(self, text: bytes) -> None:
        super().__init__(text)
        self.text = text


class Engine:
    """The engine on one directory. A connection does one thing at a time and keeps its settings, so there are several.

    All methods raise EngineError.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._idle: dict[Key, list[Any]] = defaultdict(list)
        self._lock = threading.Lock()
        # Holds the directory as long as this process lives, and shows at once when another one has it.
        self._first = self._open(("default", 0, ()))
        self.version = _run(self._first, "SELECT version()", "TabSeparated").decode().strip()

    def run(self, request: Request, statement: str, *, readonly: int) -> bytes:
        """The result of a statement, in the format that it or the request names."""
        with self._connection(request, readonly) as connection:
            return _run(connection, statement, request.format, dict(request.parameters))

    def insert(self, request: Request, insert: Insert, data: int, *, readonly: int) -> None:
        """Insert what a file descriptor holds."""
        sql = f"INSERT INTO {insert.table} {insert.columns} FROM INFILE '/proc/self/fd/{data}' FORMAT {insert.format}"
        with self._connection(request, readonly) as connection:
            _run(connection, sql, request.format)

    @contextmanager
    def _connection(self, request: Request, readonly: int) -> Iterator[Any]:
        key = (request.database, readonly, request.settings)
        with self._lock:
            connection = self._idle[key].pop() if self._idle[key] else None
        if connection is None:
            connection = self._open(key)
        try:
            yield connection
        finally:
            with self._lock:
                self._idle[key].append(connection)

    def _open(self, key: Key) -> Any:
        database, readonly, settings = key
        connection = chdb.connect(str(self._directory))
        try:
            _run(connection, f"USE `{database.replace('`', '``')}`")
            if readonly:
                # First, so that the settings of the request meet it as they would on a server.
                _run(connection, f"SET readonly = {readonly:d}")
            for name, value in settings:
                _run(connection, f"SET {_name(name)} = {_quoted(value)}")
        except EngineError:
            connection.close()
            raise
        return connection


def memory_file() -> int:
    """A descriptor for the data of one INSERT; the caller closes it."""
    return os.memfd_create("http-front-insert")


def _run(connection: Any, sql: str, form: str = "TabSeparated", parameters: dict[str, str] | None = None) -> bytes:
    try:
        result = connection.query(sql, form, params=parameters or {})
    except UnicodeDecodeError as error:
        raise EngineError(error.object) from error
    except Exception as error:
        cause = error.__cause__
        text = cause.object if isinstance(cause, UnicodeDecodeError) else str(error).encode()
        raise EngineError(text) from error
    data: bytes = result.bytes()
    return data or b""


def _name(name: str) -> str:
    if not SETTING_NAME.fullmatch(name):
        raise EngineError(f"Code: 115. DB::Exception: Unknown setting '{name}'. (UNKNOWN_SETTING)".encode())
    return name


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
