"""How long something may take: any number a caller gives, and what is left of it over several steps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Final

MAX_WAIT_S: Final = 365 * 86_400.0
"""Longer waits overflow the system's clocks."""


def bounded_seconds(timeout: Any) -> float | None:
    """The timeout as seconds between 0 and MAX_WAIT_S; None for what is no number."""
    try:
        seconds = float(timeout)
    except Exception:
        return None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), MAX_WAIT_S)


class Deadline:
    """One bound over several steps."""

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._at = monotonic() + seconds

    @property
    def left_s(self) -> float:
        """Seconds that are left, at least 0."""
        return max(self._at - self._monotonic(), 0.0)
