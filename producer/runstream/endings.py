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

from .run import Run, describe_error

AT_EXIT_S = 5.0
"""How long the end of the interpreter may wait for the event log."""

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
    for run in list(_runs):
        if _signal_name:
            run.kill(_signal_name, AT_EXIT_S)
        elif isinstance(_failure, KeyboardInterrupt):
            run.kill("KeyboardInterrupt", AT_EXIT_S)
        elif _failure is not None:
            run.fail(describe_error(_failure), AT_EXIT_S)
        else:
            run.finish(AT_EXIT_S)


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
    for run in list(_runs):
        run.kill_in_signal_handler(_signal_name)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
