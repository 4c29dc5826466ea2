"""Following log directories until stopped.

The store is opened only when a directory has something new, and an embedded one is given back when another process
wants it (see holding.py). Positions are read again at each load, since others may have loaded meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.exceptions import ClickHouseError

from runstream_ingest import positions
from runstream_ingest.backoff import Backoff
from runstream_ingest.clock import Clock
from runstream_ingest.deliver import Stopped, StoreKeepsFailing
from runstream_ingest.free import free_deleted
from runstream_ingest.holding import ASK_EVERY_S, Hold, Holding
from runstream_ingest.lock import StoreBusy
from runstream_ingest.loop import Loaded
from runstream_ingest.observer import Observer
from runstream_ingest.poison import PoisonGuard
from runstream_ingest.renewal import Renewal
from runstream_ingest.sources.logdir import LogDirectories
from runstream_ingest.sources.source import Positions
from runstream_ingest.store import StoreFailed, StoreUnfit, loop_into
from runstream_schemas.settings import Settings

LOOK_EVERY_S: Final = 0.5
"""A point is visible two seconds after log(): one for the producer's batching, half for looking, half for loading."""

LOOK_SHARE: Final = 0.1
"""Looking through a directory of 50,000 files takes 0.3 s; at most this share of the time goes into it."""

REPORT_EVERY_S: Final = 60.0
"""How often a worker that is never at rest says what it has done."""

SAY_TROUBLE_AFTER_S: Final = 5.0
"""A store that fails for so long is named and given back, so that a person can look at it; then it is tried again."""

FREE_DELETED_EVERY_S: Final = 600.0
"""Deleted runs are invisible at once; their space is not urgent."""


class Follower:
    """Loads what appears in log directories, again and again."""

    def __init__(
        self,
        settings: Settings,
        log_dirs: Sequence[Path],
        *,
        clock: Clock,
        stop: threading.Event,
        observer: Observer,
        on_loaded: Callable[[Loaded], None],
        on_trouble: Callable[[str], None],
        hold: Hold | None = None,
        on_round: Callable[[float], None] = lambda began: None,
    ) -> None:
        """`on_round` is called after each round with the moment (monotonic) at which it began to look.

        The store is opened and given back by the follower itself unless it gets a hold on one.
        """
        self._embedded = settings.store_dir is not None
        self._log_dirs = log_dirs
        self._clock = clock
        self._stop = stop
        self._observer = observer
        self._on_loaded = on_loaded
        self._on_trouble = on_trouble
        self._guard = PoisonGuard()
        self._on_round = on_round
        self._holding = hold or Holding(settings, clock)
        self._renewal = Renewal(self._holding, clock, observer, on_trouble)
        self._source = LogDirectories(log_dirs, self._save)
        self._freed_at = clock.monotonic()

    def run(self) -> None:
        """Follow until the stop event is set.

        A store that is busy, cannot be opened or keeps failing is tried again for ever; what a person has to look at
        (Poisoned, FatalStoreError, StoreUnfit) is raised, and WornOut.
        """
        try:
            # Whoever opens an embedded store next does it.
            if self._follow() and not self._embedded:
                self._renewal.finish()
        finally:
            self._renewal.give_back()

    def _follow(self) -> bool:
        """Until the end; whether the store worked by then."""
        works = True
        backoff = Backoff()
        while not self._stop.is_set():
            try:
                began = self._clock.monotonic()
                new = self._source.pending_bytes()
                rest = max(LOOK_EVERY_S, (self._clock.monotonic() - began) / LOOK_SHARE)
                if new:
                    self._load()
                self._renewal.turn()
                self._observer.turned()
                self._source_quiet()
                self._on_round(began)
                works, backoff = True, Backoff()
            except Stopped:
                return False
            except StoreUnfit:
                raise
            except (StoreBusy, StoreFailed, StoreKeepsFailing, ClickHouseError, OSError) as error:
                works = False
                self._renewal.give_back()
                # What the source has given away did not arrive.
                self._source.seek({})
                delay = backoff.next_s()
                self._on_trouble(f"{error}; trying again in {delay:.1f} s")
                self._clock.wait(delay, self._stop)
                continue
            self._rest(rest)
        return works

    def _load(self) -> None:
        store = self._holding.store()
        self._source.seek(positions.load(store.client, self._log_dirs))
        until = self._clock.monotonic() + REPORT_EVERY_S
        loop = loop_into(
            store,
            self._source,
            observer=self._observer,
            stop=self._stop,
            guard=self._guard,
            give_up_s=SAY_TROUBLE_AFTER_S,
            on_progress=lambda loaded: self._renewal.loaded(),
            on_turn=self._renewal.turn,
        )
        loaded = loop.run(lambda idle: idle or self._clock.monotonic() >= until or self._holding.due())
        if self._clock.monotonic() - self._freed_at >= FREE_DELETED_EVERY_S:
            free_deleted(store.client, store.layout)
            self._freed_at = self._clock.monotonic()
        self._on_loaded(loaded)

    def _rest(self, seconds: float) -> None:
        until = self._clock.monotonic() + seconds
        self._renewal.rest()
        while not self._stop.is_set() and (left := until - self._clock.monotonic()) > 0:
            self._clock.wait(min(left, ASK_EVERY_S), self._stop)
            self._renewal.rest()

    def _source_quiet(self) -> None:
        """Pass on what was noticed while there was nothing to load."""
        notices = self._source.notices()
        for notice in notices:
            self._observer.noticed(notice.kind)
        if notices:
            self._on_loaded(Loaded(notices=notices))

    def _save(self, moved: Positions) -> None:
        positions.save(self._holding.store().client, moved)
