"""When everything that was new at a moment is in the store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Freshness:
    """The last round of loading, told by the thread that loads and asked by an event loop."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began = float("-inf")
        self._loads = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[asyncio.Future[None]] = set()

    def loaded(self, began: float) -> None:
        """A round that began then (monotonic) has ended, with all that was there in the store."""
        self._began = began
        self._wake()

    def stopped(self) -> None:
        """Nothing more is loaded."""
        self._loads = False
        self._wake()

    async def loaded_from_now_on(self, timeout_s: float) -> None:
        """Return once a round that began after this call has ended; at once if nothing is loaded any more."""
        self._loop = asyncio.get_running_loop()
        asked = self._now()
        until = asked + timeout_s
        while self._loads and self._began < asked and (left := until - self._now()) > 0:
            told = self._loop.create_future()
            self._waiting.add(told)
            await asyncio.wait([told], timeout=min(left, 0.5))
            self._waiting.discard(told)

    def _wake(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        for told in self._waiting:
            if not told.done():
                told.set_result(None)
