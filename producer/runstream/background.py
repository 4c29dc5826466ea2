"""What goes on beside a run: capturing code and environment once, and sampling the system."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

from .attempt import Attempt
from .description import Captured
from .forks import no_fork
from .notices import Notices

CAPTURE_PATIENCE_S = 1.0
"""How long the end of a run waits for a capture that is still going on: normally it took a tenth of that long ago."""


class Background:
    """The threads of a run that are neither logging nor shipping. They die with the process and never raise."""

    def __init__(self, attempt: Attempt, notices: Notices) -> None:
        self._attempt = attempt
        self._notices = notices
        self._stopping = threading.Event()
        self._capture = self._thread("capture", self._capture_once)
        self._sampler = self._thread("system", self._sample)

    def start(self) -> None:
        """Begin; where the system gives no more threads the run goes on without."""
        try:
            self._capture.start()
            if self._attempt.run.settings.system_period_s > 0:
                self._sampler.start()
        except RuntimeError as error:
            self._notices.warn("background", f"environment and system metrics are not recorded: {error}")

    def stop(self, timeout_s: float) -> None:
        """Stop sampling, and wait for the capture within reason."""
        self._stopping.set()
        if self._capture.ident is not None:
            self._capture.join(min(timeout_s, CAPTURE_PATIENCE_S))

    def after_fork(self) -> None:
        """In a forked child: the threads are not here, and one of them may have held the event's lock."""
        self._stopping = threading.Event()

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        def fenced() -> None:
            try:
                work()
            except Exception as error:
                self._notices.warn(name, f"the {name} thread stopped: {error!r:.200}")

        return threading.Thread(target=fenced, name=f"runstream-{name}", daemon=True)

    def _capture_once(self) -> None:
        with no_fork:
            from .capture import capture_run

        self._attempt.describe(Captured(**capture_run(self._attempt.run.identity, sys.orig_argv)))

    def _sample(self) -> None:
        with no_fork:
            from .system.election import NodeElection
            from .system.sampler import SystemSampler

        run = self._attempt.run
        election = NodeElection(run.run_id, run.identity.node)
        sampler = SystemSampler()
        try:
            while not self._stopping.wait(run.settings.system_period_s):
                if election.acquire():
                    values = sampler.sample()
                    self._attempt.writer.append_aside(values, int(time.time()))
        finally:
            election.release()
