"""Reading the store: open it, load what is new in an embedded one, query, close."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runstream.sync import anything_waits
from runstream_analytics.errors import NothingHere, UserError
from runstream_analytics.served import Served, find_served
from runstream_schemas.exit_codes import ExitCode
from runstream_schemas.settings import Settings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


@dataclass(frozen=True)
class Reader:
    """An open store. Used by one thread."""

    client: Client
    connect: Callable[[], Client]
    """Opens one more client, whose settings are its own; the caller closes it."""
    served_by: int | None = None
    """The process of `runstream serve` that answers; nothing can be written then."""

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows of a query; values of users go in as `{name:Type}` parameters. Raises UserError."""
        return list(self._query(sql, parameters).result_rows)

    def objects(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The same rows by column name. Raises UserError."""
        return list(self._query(sql, parameters).named_results())

    def _query(self, sql: str, parameters: Mapping[str, Any] | None) -> Any:
        from clickhouse_connect.driver.exceptions import ClickHouseError

        try:
            return self.client.query(sql, parameters=dict(parameters) if parameters else None)
        except ClickHouseError as error:
            raise UserError(f"the store cannot answer: {error}", ExitCode.STORE_FAILED) from error


@dataclass(frozen=True)
class Listener:
    """Who hears what happens while the store is opened and loaded."""

    waiting: Callable[[int | None], None]
    """Another process, of this id if it is known, holds the store."""
    doing: Callable[[str], None]
    """What is going on now."""
    warn: Callable[[str], None]
    """Something in the log is not as it should be; what can be read is read."""


def read_only(client: Client) -> dict[str, int]:
    """The settings with which the engine refuses everything that writes, and changing them too.

    A user whom the server lets do no more is refused this setting itself, and needs it not.
    """
    known = client.server_settings.get("readonly")
    return {} if known is not None and known.readonly else {"readonly": 1}


@contextmanager
def open_reader(settings: Settings, listener: Listener, *, load: bool = True) -> Iterator[Reader]:
    """Open the store, and first load what is new when it is embedded and the event log a directory.

    Raises NothingHere when there is neither log nor store, else UserError with the exit status that fits.
    """
    if settings.store_dir and not settings.store_dir.exists() and not (settings.log_dir and settings.log_dir.exists()):
        where = f"{settings.dir} ({_from(settings.sources['dir'])})"
        if anything_waits(settings):
            raise NothingHere(
                f"what was logged in {where} is still in journals or in spill/; `runstream sync` ships it"
            )
        raise NothingHere(f"no run has been logged in {where} yet; log one, or name the right directory with --dir")
    try:
        from runstream_ingest.lock import StoreBusy
        from runstream_ingest.store import StoreFailed, open_store
    except ImportError as error:
        raise UserError(f"{error}; install it with: pip install 'runstream[local]'", ExitCode.STORE_FAILED) from error
    served = find_served(settings)
    if served is not None:
        with _asking(served, settings, listener, load=load) as reader:
            yield reader
        return
    try:
        with open_store(settings, on_wait=listener.waiting) as store:
            # A log that nobody named may be missing: the store is all that is read then.
            named = settings.sources["url"] != "default"
            if load and settings.store_dir and settings.log_dir and (named or settings.log_dir.exists()):
                _load(store, settings, listener)
            yield Reader(store.client, store.connect)
    except StoreBusy as error:
        raise UserError(f"{error}; try again, or stop it", ExitCode.STORE_BUSY) from error
    except StoreFailed as error:
        raise UserError(str(error), ExitCode.STORE_FAILED) from error


@contextmanager
def _asking(served: Served, settings: Settings, listener: Listener, *, load: bool) -> Iterator[Reader]:
    from clickhouse_connect.driver.exceptions import ClickHouseError

    pid, loads = served.announcement.pid, served.announcement.loads
    if load and settings.log_dir:
        if loads != settings.url:
            listener.warn(f"process {pid} serves the store and loads {loads} into it, so {settings.url} is not loaded")
        else:
            listener.doing(f"process {pid} serves the store; waiting until it has loaded what is new")
            served.await_load()
    try:
        client = served.connect()
    except ClickHouseError as error:
        raise UserError(f"process {pid} serves the store but does not answer: {error}", ExitCode.STORE_BUSY) from error
    with closing(client):
        yield Reader(client, served.connect, pid)


def _load(store: Any, settings: Settings, listener: Listener) -> None:
    from runstream_analytics.render import text
    from runstream_ingest.poison import Poisoned
    from runstream_ingest.store import load_new

    assert settings.log_dir is not None, "only called with a log directory"
    try:
        loaded = load_new(
            store,
            [settings.log_dir],
            on_progress=lambda so_far: listener.doing(f"loading what is new: {text.number(so_far.points)} points"),
        )
    except Poisoned as error:
        listener.warn(f"what is new in the log was not loaded: {error}")
        return
    for notice in loaded.notices:
        listener.warn(f"{notice.partition.source}/{notice.partition.name}: {notice.text}")
    if loaded.dead_letters:
        refused = f"{text.counted(loaded.dead_letters, 'event')} ({text.counted(loaded.dead_points, 'point')})"
        listener.warn(f"the store refused {refused}; see runstream-ingest deadletters list")


def _from(source: str) -> str:
    return {"default": "the default", "argument": "from --dir"}.get(source, f"from {source}")
