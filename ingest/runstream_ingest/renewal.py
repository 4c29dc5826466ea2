"""When a worker renews the findings: beside its loading, in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent import futures
from typing import Final

from clickhouse_connect.driver.exceptions import ClickHouseError

from runstream_ingest.clock import Clock
from runstream_ingest.deliver import FatalStoreError
from runstream_ingest.errors import ErrorClass, classify, reason
from runstream_ingest.findings import SETTLE_S, last_look_s_ago, renew
from runstream_ingest.holding import Hold
from runstream_ingest.lock import StoreBusy
from runstream_ingest.observer import Observer
from runstream_ingest.store import Store, StoreFailed

RENEW_EVERY_S: Final = 5.0
"""Half of the time between heartbeats, which are what most findings change with."""

RENEW_SHARE: Final = 0.05
"""At most this share of the time goes into it: it takes a core from loading."""


class Renewal:
    """Renews the findings soon after something was loaded, and not too often. Its methods are called by one thread.

    The worker's hold is rested and given back through it, since the store must stay open while it is busy.
    """

    def __init__(self, hold: Hold, clock: Clock, observer: Observer, on_trouble: Callable[[str], None]) -> None:
        """`on_trouble` may be called by another thread."""
        self._hold = hold
        self._clock = clock
        self._observer = observer
        self._on_trouble = on_trouble
        self._pool = futures.ThreadPoolExecutor(1, thread_name_prefix="runstream-findings")
        self._running: futures.Future[None] | None = None
        # A worker before this one may have been killed before it came to this.
        self._owed = True
        self._next_at = clock.monotonic()

    def loaded(self) -> None:
        """Something is in the store since the last renewal."""
        self._owed = True

    def turn(self) -> None:
        """Begin to renew if it is time.

        Trouble is told, and it is tried again next time, since loading must not suffer from it. Raises FatalStoreError
        when rights or tables were wrong the last time.
        """
        if self._owed and not self._busy() and self._clock.monotonic() >= self._next_at:
            if self._running is not None:
                self._running.result()
            self._owed = False
            self._running = self._pool.submit(self._renew, self._hold.store())

    def finish(self) -> None:
        """Renew what is still owed, now: the worker ends. Trouble is told; the next worker does it then."""
        self._wait()
        if self._owed:
            try:
                renew(self._hold.store().client, SETTLE_S)
            except (ClickHouseError, StoreFailed, StoreBusy) as error:
                self._tell(error)

    def rest(self) -> None:
        """Nothing is to be written at the moment."""
        if not self._busy():
            self._hold.rest()

    def give_back(self) -> None:
        """Nothing is to be written any more, or writing fails."""
        self._wait()
        self._hold.give_back()

    def _busy(self) -> bool:
        return self._running is not None and not self._running.done()

    def _wait(self) -> None:
        if self._running is not None:
            futures.wait([self._running])

    def _renew(self, store: Store) -> None:
        began = self._clock.monotonic()
        wait_s = RENEW_EVERY_S
        try:
            client = store.connect()
            try:
                ago = last_look_s_ago(client)
                if 0 <= ago < RENEW_EVERY_S:  # by another worker, which may have missed what this one loaded
                    self._owed = True
                    wait_s -= ago
                else:
                    runs = renew(client, SETTLE_S)
                    took_s = self._clock.monotonic() - began
                    self._observer.renewed(runs, took_s)
                    wait_s = max(wait_s, took_s / RENEW_SHARE)
            finally:
                client.close()
        except ClickHouseError as error:
            self._owed = True
            if classify(error) is ErrorClass.FATAL:
                raise FatalStoreError(f"the findings cannot be renewed: {reason(error)}") from error
            self._tell(error)
        self._next_at = self._clock.monotonic() + wait_s

    def _tell(self, error: Exception) -> None:
        self._on_trouble(f"the findings cannot be renewed: {reason(error)}; diagnoses stay as they are for now")
