"""When so much is bad that something else must be wrong."""

from __future__ import annotations

import threading
from typing import Final

MAX_BAD_SHARE: Final = 0.05
"""A worker with one bad message in twenty is fed by a broken producer or has the wrong schema."""

MAX_BAD_FREE: Final = 200
"""So many bad messages never stop a worker, whatever their share: one broken run among many."""

WINDOW_MESSAGES: Final = 100_000
"""Older messages count half as much each time so many have passed."""


class Poisoned(RuntimeError):
    """Most of what was read is bad; nothing of it was put aside, and the worker must stop."""


class PoisonGuard:
    """Counts good and bad messages of a worker; used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen = 0.0
        self._bad = 0.0

    def limit(self, messages: int) -> int:
        """How many of so many more messages may be bad."""
        with self._lock:
            return int(max(MAX_BAD_FREE, MAX_BAD_SHARE * (self._seen + messages)) - self._bad)

    def count(self, messages: int, bad: int) -> None:
        """Count a batch before its bad messages are put aside. Raises Poisoned, and then counts nothing."""
        with self._lock:
            seen, all_bad = self._seen + messages, self._bad + bad
            if bad and all_bad > MAX_BAD_FREE and all_bad > MAX_BAD_SHARE * seen:
                raise Poisoned(
                    f"{all_bad:.0f} of the last {seen:.0f} messages are refused, more than {MAX_BAD_SHARE:.0%}: "
                    "nothing was put aside; look at the producers' and the store's versions"
                )
            self._seen, self._bad = (seen, all_bad) if seen < WINDOW_MESSAGES else (seen / 2, all_bad / 2)
