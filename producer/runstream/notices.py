"""What the producer says to people: each kind of trouble once, through the logger `runstream`."""

from __future__ import annotations

import logging

from .secrets import redact_text

logger = logging.getLogger("runstream")


class Notices:
    """Says each kind of trouble of a run once; the counters tell the rest. Raises nothing."""

    def __init__(self, run_name: str) -> None:
        name = " ".join(run_name.split())
        self._run_name = name if len(name) <= 80 else f"{name[:79]}…"
        # A forked child would inherit a lock as another thread held it.
        self._said: dict[str, object] = {}

    def warn(self, kind: str, message: str) -> None:
        """Say it if nothing of this kind was said before."""
        mine = object()
        if self._said.setdefault(kind, mine) is not mine:
            return
        try:
            logger.warning("runstream: %s (run %s; said once)", redact_text(message), self._run_name)
        except Exception:
            pass


_said: set[str] = set()


def say_once(kind: str, message: str) -> None:
    """Say something that concerns no run if nothing of this kind was said in this process. Raises nothing."""
    if kind not in _said:
        _said.add(kind)
        try:
            logger.warning("runstream: %s (said once)", message)
        except Exception:
            pass
