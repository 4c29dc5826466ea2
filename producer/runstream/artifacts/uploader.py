"""The thread that completes artifacts, one after the other, while training goes on."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from .completion import Emit, complete
from .lock import locked
from .root import Root, RootError, open_root
from .staging import Item

FIRST_RETRY_S: Final = 0.5
LAST_RETRY_S: Final = 60.0
"""Pause after a root failed, doubled each time, half of it at random: thousands of jobs must not return at once."""

Warn = Callable[[str, str], None]
"""Tells the user something of a kind; each kind is said once."""


class Uploader:
    """Completes submitted items in order. No method raises; what is not completed stays in staging."""

    def __init__(
        self,
        emit: Emit,
        warn: Warn,
        *,
        open_root: Callable[[str], Root] = open_root,
        monotonic: Callable[[], float] = time.monotonic,
        first_retry_s: float = FIRST_RETRY_S,
    ) -> None:
        """`emit` and `warn` are called by the thread."""
        self._emit = emit
        self._warn = warn
        self._open_root = open_root
        self._monotonic = monotonic
        self._first_retry_s = first_retry_s
        self._begin()

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[Item] = deque()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._hurry = False
        self._outcomes: dict[str, int] = {}
        self._roots: dict[str, Root] = {}

    def submit(self, item: Item) -> None:
        """Complete it soon."""
        with self._changed:
            self._waiting.append(item)
            if self._thread is None and not self._closed:
                thread = threading.Thread(target=self._work, name="runstream-artifacts", daemon=True)
                thread.start()
                self._thread = thread
            self._changed.notify_all()

    def drain(self, deadline: float) -> int:
        """Wait for everything submitted until `deadline`, on the monotonic clock; returns how many are unfinished.

        A root that was away is asked again at once.
        """
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            while self._waiting and not self._closed and (left := deadline - self._monotonic()) > 0:
                self._changed.wait(left)
            return len(self._waiting)

    def close(self) -> None:
        """Begin nothing more. What is being uploaded ends with the process or is completed."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def outcomes(self) -> dict[str, int]:
        """Artifacts by what became of them: stored, referenced, failed."""
        with self._changed:
            return dict(self._outcomes)

    def after_fork(self) -> None:
        """In a forked child: begin anew. What the parent submitted is the parent's, and its thread is not here."""
        self._begin()

    def _work(self) -> None:
        retry = self._first_retry_s
        while (item := self._next()) is not None:
            outcome = self._try(item)
            with self._changed:
                if outcome:
                    self._outcomes[outcome] = self._outcomes.get(outcome, 0) + 1
                    self._waiting.popleft()
                    self._changed.notify_all()
                    retry = self._first_retry_s
                elif self._changed.wait_for(lambda: self._hurry or self._closed, retry * random.uniform(0.5, 1.0)):
                    self._hurry = False
                    retry = self._first_retry_s
                else:
                    retry = min(2 * retry, LAST_RETRY_S)

    def _try(self, item: Item) -> str:
        """What became of the item; empty for: not now. Raises nothing."""
        try:
            return self._completed(item)
        except RootError as error:
            self._say("artifact root", f"{error}; artifacts wait in staging, and `runstream sync` uploads them")
            self.close()
        except Exception as error:
            self._say(
                "artifact",
                f"artifact {item.description.name!r} cannot be uploaded now ({type(error).__name__}: {error!s:.300}); "
                "it waits in staging and is tried again",
            )
        return ""

    def _next(self) -> Item | None:
        """The oldest item, which stays in the queue until it is completed; None after `close`."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            return None if self._closed else self._waiting[0]

    def _completed(self, item: Item) -> str:
        """What became of it; empty for: not now."""
        if item.directory is None:
            return self._recorded(item)
        with locked(item.directory) as mine:
            if not item.directory.is_dir():
                return "stored"  # another process has completed it
            return self._recorded(item) if mine else ""

    def _recorded(self, item: Item) -> str:
        record = complete(item, self._root)
        if record["state"] == "failed":
            self._say("artifact lost", f"artifact {item.description.name!r} is not kept: {record['error']}")
        if not self._emit(record):
            return ""
        item.remove()
        return str(record["state"])

    def _say(self, kind: str, message: str) -> None:
        try:
            self._warn(kind, message)
        except Exception:
            pass  # the user's logging is broken, which is no reason to keep artifacts back

    def _root(self, url: str) -> Root:
        if url not in self._roots:
            self._roots[url] = self._open_root(url)
        return self._roots[url]
