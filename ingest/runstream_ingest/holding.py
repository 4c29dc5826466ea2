"""The worker's hold on its store: kept open from load to load, and given back when another process wants it.

Every opening of the embedded engine leaves something behind in the process that closing does not free (chdb-core 26.9:
five threads of its pools for merges and moves, and 3 MB). So the worker opens it as seldom as it can, and begins anew
as a fresh process before that adds up.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final, Protocol

from runstream_ingest import lock
from runstream_ingest.clock import Clock
from runstream_ingest.lock import OnWait
from runstream_ingest.store import Store, open_store
from runstream_schemas.settings import Settings

HOLD_S: Final = 2.0
"""Under load, whoever waits for an embedded store gets it after this."""

IDLE_S: Final = 10.0
"""A store that nothing was written to for so long is given back, for programs that do not know our lock."""

ASK_EVERY_S: Final = 0.1
"""How often somebody at rest looks whether the store is wanted: the time that `runstream ls` then waits."""

MOST_OPENINGS: Final = 100
"""Five hundred threads and a third of a gigabyte; the engine refuses to work at ten thousand threads."""


class WornOut(Exception):
    """The engine has been opened so often in this process that a fresh one has to go on."""


class Hold(Protocol):
    """A worker's store, for as long as it may have it."""

    def store(self) -> Store:
        """The store, open, to be written to now."""

    def due(self) -> bool:
        """Whether a store in use is to be given back."""

    def rest(self) -> None:
        """Nothing is to be written at the moment."""

    def give_back(self) -> None:
        """Nothing is to be written any more, or writing fails."""


class Kept:
    """A store that stays open, because this process also serves it: whoever else wants to read asks here."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def store(self) -> Store:
        """The store."""
        return self._store

    def due(self) -> bool:
        """Never."""
        return False

    def rest(self) -> None:
        """Stays open."""

    def give_back(self) -> None:
        """Stays open: who opened it closes it."""


class Holding:
    """One store, open or not. Used by one thread."""

    def __init__(self, settings: Settings, clock: Clock, on_wait: OnWait | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._on_wait = on_wait
        self._open = ExitStack()
        self._store: Store | None = None
        self._openings = 0
        self._opened_at = self._used_at = 0.0

    def store(self) -> Store:
        """The store, opened if it is not, to be written to now. Raises WornOut, StoreBusy and StoreFailed."""
        if self._store is None:
            if self._settings.store_dir is not None:
                if self._openings >= MOST_OPENINGS:
                    raise WornOut
                self._openings += 1
            self._store = self._open.enter_context(open_store(self._settings, on_wait=self._on_wait))
            self._opened_at = self._clock.monotonic()
        self._used_at = self._clock.monotonic()
        return self._store

    def due(self) -> bool:
        """Whether a store in use is to be given back: another process has waited long enough for it."""
        return self._clock.monotonic() - self._opened_at >= HOLD_S and self._wanted()

    def rest(self) -> None:
        """Nothing is to be written at the moment: give the store back if another process may need it."""
        embedded = self._settings.store_dir is not None
        idle = self._clock.monotonic() - self._used_at >= IDLE_S
        if self._store is not None and embedded and (idle or self._wanted()):
            self.give_back()

    def give_back(self) -> None:
        """Close the store, if it is open."""
        self._store = None
        self._open.close()

    def _wanted(self) -> bool:
        return self._settings.store_dir is not None and lock.wanted(self._settings.store_dir)
