"""How a run ends when nobody calls `finish`: at exit, by an exception, by SIGTERM. The user's handlers still run."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import weakref
from types import FrameType, TracebackType
from typing import Any

from .errors import describe_error
from .run import Run
from .timeouts import Deadline

AT_EXIT_S = 5.0
"""How long the end of the interpreter may wait for the event log, for all runs together."""
SIGNAL_FINISH_S = 3.0
"""The same in a signal handler: schedulers follow SIGTERM by SIGKILL after 5 to 30 s."""

_runs: weakref.WeakSet[Run] = weakref.WeakSet()
_failure: BaseException | None = None
_signal_name = ""
_installed = False


def watch(run: Run) -> None:
    """End this run when the process ends."""
    global _installed
    _runs.add(run)
    if not _installed:
        _installed = True
        atexit.register(_at_exit)
        os.register_at_fork(after_in_child=_after_fork)
        _watch_exceptions()
    _watch_sigterm()


def _at_exit() -> None:
    deadline = Deadline(AT_EXIT_S)
    for run in list(_runs):
        if _signal_name:
            run.kill(_signal_name, deadline.left_s)
        elif isinstance(_failure, KeyboardInterrupt):
            run.kill("KeyboardInterrupt", deadline.left_s)
        elif _failure is not None:
            run.fail(describe_error(_failure), deadline.left_s)
        else:
            run.finish(deadline.left_s)


def _after_fork() -> None:
    for run in list(_runs):
        run.after_fork()


def _watch_exceptions() -> None:
    previous = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        global _failure
        _failure = error
        previous(kind, error, trace)

    sys.excepthook = hook


def _watch_sigterm() -> None:
    """Handle SIGTERM unless the process ignores it; chain to a handler that is there already."""
    if threading.current_thread() is not threading.main_thread():
        return
    previous: Any = signal.getsignal(signal.SIGTERM)
    if previous is _on_sigterm or previous in (signal.SIG_IGN, None):
        return
    _chained.append(previous)
    signal.signal(signal.SIGTERM, _on_sigterm)


_chained: list[Any] = []


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    global _signal_name
    _signal_name = signal.Signals(number).name
    previous = _chained[-1]
    if callable(previous):
        previous(number, frame)  # it may let the process go on: the run ends with the process
        return
    deadline = Deadline(SIGNAL_FINISH_S)
    for run in list(_runs):
        run.kill_in_signal_handler(_signal_name, deadline.left_s)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
