"""Processes of a job, which end with it."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import FrameType, TracebackType
from typing import Any, NoReturn

GRACE_S = 5.0
"""How long processes that Ctrl-C reached, too, may take to say how their runs ended: runstream takes up to 3 s."""
REMINDER_S = 1.0
"""Between signals to a process that goes on: it notices none that came just before it began to wait for a lock."""


class Processes:
    """Starts processes, and leaves none behind: `with Processes() as ranks: ranks.start(work, 0)`.

    Call it in the main thread, where no other thread runs Python: the processes are forked.
    """

    def __init__(self) -> None:
        self._running: list[BaseProcess] = []

    def __enter__(self) -> Processes:
        self._before = signal.signal(signal.SIGTERM, _leave)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # whoever began to leave is in the middle of what it asks for
        until = time.monotonic() + GRACE_S
        while self._running:
            if not self.wait(max(0.0, until - time.monotonic())):
                for process in self._running:
                    process.terminate()
                until = time.monotonic() + REMINDER_S
        signal.signal(signal.SIGTERM, self._before)

    def start(self, target: Callable[..., None], *arguments: Any) -> BaseProcess:
        """Call a function in a new process, which has the numpy and the data of this one."""
        process = multiprocessing.get_context("fork").Process(target=_call, args=(target, arguments))
        told: list[int] = []
        # Python loses a Ctrl-C that comes while it forks. Here it waits until the process is known, and in the process
        # until that handles it; a thread of numpy, which blocks no signal, may take it, too.
        before = signal.signal(signal.SIGINT, lambda number, _: told.append(number))
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
            self._running.append(process)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            signal.signal(signal.SIGINT, before)
        if told:
            signal.raise_signal(signal.SIGINT)
        return process

    def wait(self, timeout_s: float | None = None) -> list[BaseProcess]:
        """Wait until a process ends: all that have ended since; none when none is left, or in that time."""
        sentinels = wait([process.sentinel for process in self._running], timeout_s) if self._running else []
        ended = [process for process in self._running if process.sentinel in sentinels]
        for process in ended:
            process.join()  # its pipe closes a moment before it is gone
            self._running.remove(process)
        return ended


def _leave(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _call(target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    # Ctrl-C reaches all processes of a terminal, and each would print where it was. SIGTERM is quiet, and runstream
    # records that it killed the run.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, lambda *_: signal.raise_signal(signal.SIGTERM))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    target(*arguments)
