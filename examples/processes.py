"""Processes of a job."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any


def start(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Call a function in a new process, which has the numpy and the data of this one."""
    process = multiprocessing.get_context("fork").Process(target=_call, args=(target, arguments))
    # Python loses a Ctrl-C that comes while it forks.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process


def _call(target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    # Ctrl-C reaches all processes of a terminal, and each would print where it was. SIGTERM is quiet, and runstream
    # records that it killed the run.
    signal.signal(signal.SIGINT, lambda *_: signal.raise_signal(signal.SIGTERM))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    target(*arguments)
