"""One process at a time in an embedded store.

The engine itself refuses a second process with an error that names nobody, so a lock of our own comes first: two files
beside the store directory. `<store>.lock` is held while the store is open and names its holder. `<store>.next` is held
while waiting for it; whoever lets go of the store and wants it again queues there behind the one who waits, so that a
worker that follows the log cannot starve `runstream ls`. The kernel frees both when a process dies.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

WAIT_S: Final = 30.0
"""Longer than any load of one command; a process that holds the store longer than that is stuck or serving."""

_POLL_S: Final = 0.01
"""Waiting for a lock with a deadline means asking; a hundred times a second costs nothing."""

OnWait = Callable[[int | None], None]
"""Called once when there is a wait, with the holder's process id if it is known."""


class StoreBusy(RuntimeError):
    """Another process holds the store and did not let go in time."""

    def __init__(self, directory: Path, pid: int | None, waited_s: float) -> None:
        who = f"process {pid}" if pid else "another process"
        super().__init__(f"{who} holds the store {directory} and did not let go within {waited_s:.0f} s")
        self.pid = pid


_guard = threading.Lock()
_users: dict[Path, int] = {}
_descriptors: dict[Path, int] = {}


@contextmanager
def hold(directory: Path, wait_s: float = WAIT_S, on_wait: OnWait | None = None) -> Iterator[None]:
    """Hold the store of a directory; threads of one process hold it together.

    Raises StoreBusy, or OSError when the lock files cannot be made.
    """
    with _guard:
        if directory not in _users:
            _descriptors[directory] = _acquire(directory, wait_s, on_wait)
            _users[directory] = 0
        _users[directory] += 1
    try:
        yield
    finally:
        with _guard:
            _users[directory] -= 1
            if not _users[directory]:
                del _users[directory]
                _release(_descriptors.pop(directory))


def _acquire(directory: Path, wait_s: float, on_wait: OnWait | None) -> int:
    directory.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_s
    lock_file = directory.with_name(directory.name + ".lock")
    turn = os.open(directory.with_name(directory.name + ".next"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        lock = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            if not (_try(turn) and _try(lock)):
                if on_wait is not None:
                    on_wait(_holder(lock))
                for descriptor in (turn, lock):
                    while not _try(descriptor):
                        if time.monotonic() >= deadline:
                            raise StoreBusy(directory, _holder(lock), wait_s)
                        time.sleep(_POLL_S)
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        except BaseException:
            os.close(lock)
            raise
    finally:
        os.close(turn)
    return lock


def _release(lock: int) -> None:
    with suppress(OSError):
        os.ftruncate(lock, 0)
    os.close(lock)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(lock: int) -> int | None:
    text = os.pread(lock, 32, 0).strip()
    return int(text) if text.isdigit() else None
