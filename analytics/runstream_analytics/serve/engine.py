"""Statements in the embedded engine of this process, several at once.

A connection does one thing at a time and keeps its settings, so there is a pool of them by settings. A read-only one
cannot change its state, so using it again is safe.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import chdb

from runstream_analytics.serve.allowed import MOST_QUERY_BYTES
from runstream_analytics.serve.guard import Known

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

IDLE_CONNECTIONS: Final = 16
"""Kept for the next statement with the same settings; opening one costs 5 ms."""


class EngineError(Exception):
    """What the engine answers instead of a result; its text may hold bytes that are no UTF-8."""

    def __init__(self, text: bytes) -> None:
        super().__init__(text)
        self.text = text


def run(connection: Any, sql: str, form: str = "TabSeparated", parameters: Mapping[str, str] | None = None) -> Any:
    """The engine's result of a statement. Raises EngineError."""
    try:
        return connection.query(sql, form, params=dict(parameters or {}))
    except UnicodeDecodeError as error:
        raise EngineError(error.object) from error
    except Exception as error:
        cause = error.__cause__
        text = cause.object if isinstance(cause, UnicodeDecodeError) else str(error).encode()
        raise EngineError(text) from error


def assignment(name: str, value: str) -> str:
    """`name = 'value'` for SET. Raises EngineError."""
    if not _NAME.fullmatch(name):
        raise EngineError(f"Code: 115. DB::Exception: Unknown setting '{name}'. (UNKNOWN_SETTING)".encode())
    return f"{name} = {quoted(value)}"


def quoted(value: str) -> str:
    """A string literal."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def name_of(database: str) -> str:
    """A name in quotes."""
    escaped = database.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


class Closable(Protocol):
    """What a pool holds."""

    def close(self) -> None:
        """Give it back."""


Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item", bound=Closable)


class Pool(Generic[Key, Item]):
    """Connections by what they were opened with. Used by many threads."""

    def __init__(self, open_one: Callable[[Key], Item], most_idle: int = IDLE_CONNECTIONS) -> None:
        self._open_one = open_one
        self._most_idle = most_idle
        self._idle: OrderedDict[int, tuple[Key, Item]] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def lent(self, key: Key) -> Iterator[Item]:
        """A connection for one thing at a time; it is not used again after an error. Raises what opening raises."""
        item = self._take(key) or self._open_one(key)
        try:
            yield item
        except BaseException:
            item.close()
            raise
        self._put(key, item)

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            items = [item for _, item in self._idle.values()]
            self._idle.clear()
        for item in items:
            item.close()

    def _take(self, key: Key) -> Item | None:
        with self._lock:
            for number in reversed(self._idle):
                if self._idle[number][0] == key:
                    return self._idle.pop(number)[1]
        return None

    def _put(self, key: Key, item: Item) -> None:
        oldest = None
        with self._lock:
            self._idle[id(item)] = (key, item)
            if len(self._idle) > self._most_idle:
                oldest = self._idle.popitem(last=False)[1][1]
        if oldest is not None:
            oldest.close()


class Session(NamedTuple):
    """What a connection is opened with."""

    database: str
    settings: tuple[tuple[str, str], ...]
    readonly: int = 1
    """1: nothing can be written or changed; 2: settings may be."""


class Connection:
    """One of the engine's, with a mark by which what it runs can be found."""

    def __init__(self, chdb_connection: Any, mark: str) -> None:
        self.chdb = chdb_connection
        self.mark = mark

    def close(self) -> None:
        """Give it back to the engine."""
        with suppress(Exception):
            self.chdb.close()


class Engine:
    """The engine on a store that is open already in this process. Methods are called from many threads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._opened = 0
        self._lock = threading.Lock()
        self.pool: Pool[Session, Connection] = Pool(self._open)
        self._reading, self._killing = self._bare(), self._bare()
        self._reading_lock, self._killing_lock = threading.Lock(), threading.Lock()
        run(self._reading, f"SET max_query_size = {MOST_QUERY_BYTES}")
        self.version = self._column("SELECT version()")[0]
        self.setting_types = dict(
            line.split("\t", 1) for line in self._column("SELECT name, type FROM system.settings")
        )
        functions, table_functions = (
            frozenset(self._column(f"SELECT lower(name) FROM system.{table}"))
            for table in ("functions", "table_functions")
        )
        self.known = Known(functions, table_functions)

    def canonical(self, text: str) -> str:
        """A statement as the engine writes it: on one line, without comments. Raises EngineError.

        Only the engine's own parser knows where strings, names and comments end.
        """
        escaped = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
        parameters = {"q": escaped.replace("\0", "\\0")}
        with self._reading_lock:
            try:
                result = run(self._reading, "SELECT formatQuerySingleLine({q:String})", "TSVRaw", parameters)
            except EngineError as error:
                raise EngineError(_without_own_words(error.text)) from error
        return str(result.bytes().decode(errors="surrogateescape")).rstrip("\n")

    def kill(self, mark: str) -> None:
        """End what the connection of a mark runs, if it runs something; it may take a moment."""
        with self._killing_lock, suppress(EngineError):
            run(self._killing, f"KILL QUERY WHERE Settings['log_comment'] = {quoted(mark)} ASYNC")

    def close(self) -> None:
        """Give all connections back."""
        self.pool.close()
        for connection in (self._reading, self._killing):
            connection.close()

    def _open(self, session: Session) -> Connection:
        with self._lock:
            self._opened += 1
            mark = f"runstream-serve-{self._opened}"
        connection = Connection(self._bare(), mark)
        settings = {"session_timezone": "UTC", **dict(session.settings), "log_comment": mark}
        settings |= {"max_query_size": str(MOST_QUERY_BYTES), "readonly": str(session.readonly)}
        try:
            run(connection.chdb, f"USE {name_of(session.database)}")
            run(connection.chdb, "SET " + ", ".join(assignment(*setting) for setting in settings.items()))
        except EngineError:
            connection.close()
            raise
        return connection

    def _bare(self) -> Any:
        return chdb.connect(str(self._directory))

    def _column(self, sql: str) -> list[str]:
        return str(run(self._reading, sql, "TSVRaw").bytes().decode()).splitlines()


def _without_own_words(text: bytes) -> bytes:
    """The error alone: it quotes the statement that asked for the canonical form."""
    before, found, after = text.rpartition(b": In scope SELECT formatQuerySingleLine(")
    name = after[after.rfind(b"(") :] if found else b""
    return before.rstrip(b": ") + b". " + name if found else text
