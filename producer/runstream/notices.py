"""What the producer says to people: each kind of trouble once, through the logger `runstream`."""

from __future__ import annotations

import logging
import threading

logger = logging.getLogger("runstream")


class Notices:
    """Says each kind of trouble once; the counters tell the rest. Raises nothing."""

    def __init__(self, run_name: str) -> None:
        self._run_name = run_name
        self._said: set[str] = set()
        self._lock = threading.Lock()

    def warn(self, kind: str, message: str) -> None:
        """Say it if nothing of this kind was said before."""
        with self._lock:
            if kind in self._said:
                return
            self._said.add(kind)
        try:
            logger.warning("runstream: %s (run %s; said once)", message, self._run_name)
        except Exception:
            pass
