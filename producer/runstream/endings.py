"""How a run ends when nobody calls `finish`: at exit, by an exception, by SIGTERM. The user's handlers still run."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any

from .run import Run
from .timeouts import Deadline

AT_EXIT_S = 5.0
"""How long the end of the interpreter may wait for the event log, for all runs together."""
SIGNAL_FINISH_S = 3.0
"""The same in a signal handler: schedulers follow SIGTERM by SIGKILL after 5 to 30 s."""
WORKER_END_PRIORITY = 0
"""Of a worker's finalizers, the last of those that run before it waits for its own children."""

_runs: list[Run] = []
"""Not weakly: a run that the user's code no longer refers to has an end all the same."""
_failure: BaseException | None = None
_signal_name = ""
_installed = False
_watched_worker = 0
"""Process id of the worker of multiprocessing whose end is watched."""


def watch(run: Run) -> None:
    """End this run when the process ends."""
    global _installed
    _runs[:] = [*(known for known in _runs if not known.is_delivered), run]
    if not _installed:
        _installed = True
        atexit.register(_at_exit)
        os.register_at_fork(after_in_child=_after_fork)
        _watch_exceptions()
    if (process := sys.modules.get("multiprocessing.process")) and process.parent_process() is not None:
        _watch_worker(None)
    _watch_sigterm()


def _at_exit() -> None:
    deadline = Deadline(AT_EXIT_S)
    failure = _failure or sys.exc_info()[1]  # the second in a worker, which calls this while its exception passes
    for run in list(_runs):
        if _signal_name:
            run.kill(_signal_name, deadline.left_s)
        elif isinstance(failure, KeyboardInterrupt):
            run.kill("KeyboardInterrupt", deadline.left_s)
        elif failure is not None and not (isinstance(failure, SystemExit) and not failure.code):
            run.fail(failure, deadline.left_s)
        else:
            run.finish(deadline.left_s)


def _after_fork() -> None:
    for run in list(_runs):
        run.after_fork()
    if util := sys.modules.get("multiprocessing.util"):
        # A worker forgets its parent's finalizers after this, and calls what is registered here then.
        util.register_after_fork(_watch_worker, _watch_worker)


def _watch_worker(_: object) -> None:
    """End the runs of a worker of multiprocessing with it: it leaves by os._exit, and only its finalizers run then."""
    global _watched_worker
    if _watched_worker != os.getpid():
        _watched_worker = os.getpid()
        sys.modules["multiprocessing.util"].Finalize(None, _at_exit, exitpriority=WORKER_END_PRIORITY)


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
    if isinstance(previous, _OnSigterm) or previous in (signal.SIG_IGN, None):
        return
    signal.signal(signal.SIGTERM, _OnSigterm(previous))


class _OnSigterm:
    """The handler, with the one that was there before: a user's, installed between two runs, may call our first."""

    def __init__(self, previous: Any) -> None:
        self._previous = previous

    def __call__(self, number: int, frame: FrameType | None) -> None:
        global _signal_name
        _signal_name = signal.Signals(number).name
        if callable(self._previous):
            self._previous(number, frame)  # it may let the process go on: the run ends with the process
            return
        deadline = Deadline(SIGNAL_FINISH_S)
        for run in list(_runs):
            run.kill_in_signal_handler(_signal_name, deadline.left_s)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
