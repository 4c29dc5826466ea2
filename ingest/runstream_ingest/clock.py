"""Time as a parameter, so that no test waits for it."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """What the worker wants to know of time."""

    def monotonic(self) -> float:
        """Seconds that only grow."""

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Return after `seconds`, or as soon as `stop` is set."""


class SystemClock:
    """The clock of this machine."""

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Return after `seconds`, or as soon as `stop` is set."""
        stop.wait(seconds)
