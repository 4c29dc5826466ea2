"""The store as the rest of the project sees it: open it, load what is new, read, close.

`open_store(settings)` gives a Store; `load_new(store, [settings.log_dir])` brings it up to date with the log; its
`client` answers queries.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from runstream_ingest import connect, isolate, lock, positions
from runstream_ingest.batch import Batcher
from runstream_ingest.clock import SystemClock
from runstream_ingest.dead_letters import DeadLetterDirectory, DeadLetters
from runstream_ingest.deliver import Delivery, FatalStoreError, Stopped, StoreKeepsFailing
from runstream_ingest.destination import StoreDestination
from runstream_ingest.errors import ErrorClass, classify
from runstream_ingest.findings import SETTLE_S, renew
from runstream_ingest.lock import OnWait
from runstream_ingest.loop import INSERTERS, Loaded, Loop
from runstream_ingest.migrate import NewerStore, migrate
from runstream_ingest.observer import Observer
from runstream_ingest.poison import PoisonGuard
from runstream_ingest.sink import EmbeddedInserter, HttpInserter
from runstream_ingest.sources.logdir import LogDirectories
from runstream_ingest.sources.source import Source
from runstream_ingest.topology import cluster_of, server_of
from runstream_schemas import shards
from runstream_schemas.cluster import CLIENT_SETTINGS, ClusterError
from runstream_schemas.layout import Layout
from runstream_schemas.settings import Settings, without_password
from runstream_schemas.shards import ShardMapError
from runstream_schemas.tables import migrations

GIVE_UP_S: Final = 20.0
"""A command that loads before it reads gives up on a failing store after it."""


class StoreFailed(RuntimeError):
    """The store cannot be opened, migrated or loaded; the message says why and what to do."""


class StoreUnfit(StoreFailed):
    """Schema or rights of the store are wrong: waiting does not help, a person must look."""


@dataclass(frozen=True)
class Store:
    """An open, migrated store."""

    settings: Settings
    client: Client
    """For queries; used by one thread at a time."""
    connect: connect.Connect
    """Opens one more client, for another thread; the caller closes it."""
    layout: Layout
    """Where the tables lie."""

    def destination(self) -> StoreDestination:
        """Connections for an inserting thread; the caller closes them."""
        embedded = self.settings.store_dir is not None
        inserter = EmbeddedInserter(self.connect()) if embedded else HttpInserter(self.connect())
        return StoreDestination(inserter, self.connect, self.layout.probe_database)


@contextmanager
def open_store(settings: Settings, *, wait_s: float = lock.WAIT_S, on_wait: OnWait | None = None) -> Iterator[Store]:
    """Open the store that the settings name, and migrate it.

    An embedded store belongs to one process at a time: when another one holds it, `on_wait` is called once with that
    process's id (None when unknown), and after `wait_s` seconds lock.StoreBusy is raised. Anything else that prevents
    opening raises StoreFailed, or StoreUnfit.
    """
    with ExitStack() as stack:
        where = settings.store_dir or without_password(settings.store)
        try:
            if settings.store_dir is not None:
                stack.enter_context(lock.hold(settings.store_dir, wait_s, on_wait))
                opener = connect.embedded(settings.store_dir)
            else:
                with_cluster = CLIENT_SETTINGS if settings.store_cluster else None
                opener = connect.server(settings.store, ca=settings.store_ca, settings=with_cluster)
            client = opener()
            stack.callback(client.close)
            layout = _layout(client, settings)
            migrate(client, migrations(), layout)
            if settings.store_dir is not None:
                isolate.drop_stale(client)
        except ImportError as error:
            raise StoreFailed(
                f"the embedded store needs more packages: pip install 'runstream[local]' ({error})"
            ) from error
        except (OSError, ClickHouseError, NewerStore, ClusterError, ShardMapError) as error:
            final = isinstance(error, NewerStore | ShardMapError) or classify(error) is ErrorClass.FATAL
            raise (StoreUnfit if final else StoreFailed)(f"cannot open the store {where}: {error}") from error
        yield Store(settings, client, opener, layout)


def _layout(client: Client, settings: Settings) -> Layout:
    if not settings.store_cluster or settings.store_dir is not None:
        return server_of(client)
    wanted = shards.parse(Path(settings.store_shards).read_text()) if settings.store_shards else None
    return cluster_of(client, settings.store_cluster, wanted)


def load_new(
    store: Store,
    log_dirs: Sequence[Path],
    *,
    on_progress: Callable[[Loaded], None] | None = None,
    stop: threading.Event | None = None,
) -> Loaded:
    """Load everything that log directories hold and the store has not seen yet, and renew the findings.

    `on_progress` is called after every batch with what is loaded so far; setting `stop` ends the load early, with all
    that it read in the store. Raises StoreFailed when the store keeps failing for GIVE_UP_S seconds, and
    poison.Poisoned when most of what is new is bad.
    """
    source = LogDirectories(log_dirs, lambda moved: positions.save(store.client, moved))
    try:
        source.seek(positions.load(store.client, log_dirs))
        expected = source.pending_bytes()
        loop = loop_into(
            store, source, stop=stop, give_up_s=GIVE_UP_S, on_progress=on_progress, expected_bytes=expected
        )
        loaded = loop.run(lambda idle: idle)
        # Into an embedded store nobody else inserts.
        renew(store.client, 0.0 if store.settings.store_dir is not None else SETTLE_S)
        return loaded
    except (FatalStoreError, StoreKeepsFailing, Stopped, ClickHouseError) as error:
        raise StoreFailed(f"cannot load into the store: {error}") from error


def loop_into(
    store: Store,
    source: Source,
    *,
    observer: Observer | None = None,
    stop: threading.Event | None = None,
    guard: PoisonGuard | None = None,
    give_up_s: float | None = None,
    on_progress: Callable[[Loaded], None] | None = None,
    on_turn: Callable[[], None] = lambda: None,
    expected_bytes: int = 0,
    dead_letters: DeadLetters | None = None,
    batcher: Batcher | None = None,
    inserters: int = INSERTERS,
    on_trouble: Callable[[str], None] = lambda text: None,
) -> Loop:
    """The loop that moves events of a source into an open store; dead letters go to the directory by default."""
    delivery = Delivery(
        dead_letters or DeadLetterDirectory(store.settings.dead_letter_dir),
        guard or PoisonGuard(),
        SystemClock(),
        stop or threading.Event(),
        observer or Observer(),
        give_up_s,
        on_trouble,
    )
    return Loop(
        source,
        store.destination,
        delivery,
        batcher or Batcher(),
        on_progress=on_progress,
        on_turn=on_turn,
        expected_bytes=expected_bytes,
        inserters=inserters,
    )
