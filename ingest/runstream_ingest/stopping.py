"""How a worker is told to stop, also while it hands over to a fresh process in its place."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from types import FrameType
from typing import Final

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

TAKEN_BEFORE: Final = "_RUNSTREAM_INGEST_TAKEN"
"""Variable with the descriptor of the pipe from the process that this one goes on for."""


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and Ctrl-C set from now on."""
    stop = threading.Event()

    def on_signal(number: int, _: FrameType | None) -> None:
        # Not from here: this interrupts the main thread, which may hold the event's lock, about to wait for it. The
        # thread is started without `threading`, which takes locks as well.
        _thread.start_new_thread(stop.set, ())
        # A second signal ends the process at once; that is safe, only slower for whoever comes next.
        signal.signal(number, signal.SIG_DFL)

    for number in STOP_SIGNALS:
        signal.signal(number, on_signal)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    if _was_taken_before():
        stop.set()
    return stop


def go_on_as_a_fresh_process() -> None:
    """Run the same command in this process's place; returns when it is to stop anyway."""
    # A signal from here on waits for the fresh process, which unblocks it. One that a thread of the engine takes, which
    # blocks nothing, is a byte in a pipe: Python's own handler would come to it too late.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    heard, taken = os.pipe()
    os.set_inheritable(heard, True)
    os.set_blocking(heard, False)
    os.set_blocking(taken, False)
    signal.set_wakeup_fd(taken)
    os.environ[TAKEN_BEFORE] = str(heard)
    if all(signal.getsignal(number) is not signal.SIG_DFL for number in STOP_SIGNALS):
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _was_taken_before() -> bool:
    """Whether a signal to stop came as the process before this one handed over to it."""
    pipe = os.environ.pop(TAKEN_BEFORE, "")
    if not pipe:
        return False
    try:
        return bool(os.read(int(pipe), 1))
    except BlockingIOError:
        return False
    finally:
        os.close(int(pipe))
