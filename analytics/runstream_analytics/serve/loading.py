"""The ingest loop beside the server: the log goes into the store that is served."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final

from clickhouse_connect.driver.exceptions import ClickHouseError

from runstream_ingest import settings as worker_settings
from runstream_ingest.clock import SystemClock
from runstream_ingest.deliver import FatalStoreError
from runstream_ingest.follow import Follower
from runstream_ingest.holding import Kept
from runstream_ingest.loop import Loaded
from runstream_ingest.observer import Observer
from runstream_ingest.poison import Poisoned
from runstream_ingest.reporting import Reporter, report_loaded
from runstream_ingest.sources.source import LogFailed
from runstream_ingest.store import Store, StoreFailed

_FOR_A_PERSON: Final = (Poisoned, LogFailed, StoreFailed, FatalStoreError, ClickHouseError)


def load_until_stopped(
    store: Store, stop: threading.Event, reporter: Reporter, on_round: Callable[[float], None]
) -> None:
    """Load what appears in the log until the event is set.

    What only a person can mend is told; the store is then served as it is. `on_round` is called after each look at a
    log directory with the moment (monotonic) at which it began. Raises SettingsError.
    """
    try:
        _load(store, stop, reporter, on_round)
    except _FOR_A_PERSON as error:
        reporter.say(f"nothing more is loaded, only what is in the store is served: {error}", level="error")


def _load(store: Store, stop: threading.Event, reporter: Reporter, on_round: Callable[[float], None]) -> None:
    settings = store.settings

    def on_loaded(loaded: Loaded) -> None:
        if loaded.notices or loaded.dead_letters:
            report_loaded(loaded, reporter)

    def on_trouble(text: str) -> None:
        reporter.say(text, level="warning")

    if settings.log_dir is not None:
        settings.log_dir.mkdir(parents=True, exist_ok=True)
        Follower(
            settings,
            [settings.log_dir],
            clock=SystemClock(),
            stop=stop,
            observer=Observer(),
            on_loaded=on_loaded,
            on_trouble=on_trouble,
            hold=Kept(store),
            on_round=on_round,
        ).run()
        return
    # Imported here because the client of the broker takes as long to load as all the rest.
    from runstream_ingest.worker import Worker

    Worker(
        settings,
        worker_settings.load(settings.kafka.topic_prefix, {}, environ=os.environ),
        clock=SystemClock(),
        stop=stop,
        observer=Observer(),
        on_loaded=on_loaded,
        on_trouble=on_trouble,
        hold=Kept(store),
    ).run()
