"""Is the worker getting anywhere? Pure but for the clock that it is given.

Unhealthy means: the loop no longer turns, or messages that were read a while ago are not stored yet. An idle worker,
and one whose partitions others have, is healthy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Health:
    """What the loop did last; told by one thread and asked by another."""

    def __init__(self, stall_s: float, monotonic: Callable[[], float]) -> None:
        self._stall_s = stall_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._turned_at = monotonic()
        self._waiting_since: float | None = None

    def turned(self) -> None:
        """The loop has gone round."""
        with self._lock:
            self._turned_at = self._monotonic()

    def read(self) -> None:
        """Messages were read: something must be stored before long."""
        with self._lock:
            if self._waiting_since is None:
                self._waiting_since = self._monotonic()

    def settled(self, waiting_since: float | None) -> None:
        """Something was stored, or went to another worker; what still waits was read at that moment, None: nothing."""
        with self._lock:
            self._waiting_since = waiting_since

    def trouble(self) -> str:
        """What is wrong, empty when nothing is."""
        with self._lock:
            now = self._monotonic()
            still = now - self._turned_at
            if still > self._stall_s:
                return f"the loop has stood still for {still:.0f} s"
            if self._waiting_since is not None and now - self._waiting_since > self._stall_s:
                return f"messages that were read {now - self._waiting_since:.0f} s ago are not stored yet"
            return ""
