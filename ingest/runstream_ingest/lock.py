"""One process at a time in an embedded store.

The engine itself refuses a second process with an error that names nobody, so a lock of our own comes first: two files
beside the store directory. `<store>.lock` is held while the store is open and names its holder. `<store>.next` is held
while waiting for it; whoever lets go of the store and wants it again queues there behind the one who waits, so that a
worker that follows the log cannot starve `runstream ls`. The kernel frees both when a process dies. Whoever opens the
engine without this package holds only the engine's own `<store>/status`, and is waited for as well.
"""

from __future__ import annotations

import fcntl
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
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


def wanted(directory: Path) -> bool:
    """Whether another process waits for the store of a directory; programs without this package wait unseen."""
    with ExitStack() as opened:
        return not _try(_open(directory.with_name(directory.name + ".next"), opened))


def holder(directory: Path) -> int | None:
    """The process that holds the store of a directory, None when nobody does."""
    place = directory.with_name(directory.name + ".lock")
    if not place.exists():
        return None
    with ExitStack() as opened:
        descriptor = _open(place, opened)
        return None if _try(descriptor) else _holder(descriptor)


def _acquire(directory: Path, wait_s: float, on_wait: OnWait | None) -> int:
    directory.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_s
    waited = False
    with ExitStack() as opened:
        turn, lock = (_open(directory.with_name(directory.name + suffix), opened) for suffix in (".next", ".lock"))
        wanted = [(turn, lock), (lock, lock)]
        if (directory / "status").exists():
            engine = _open(directory / "status", opened)
            # In this process the engine may be open for another caller, who shares it.
            if _holder(engine) != os.getpid():
                wanted.append((engine, engine))
        for descriptor, names_holder in wanted:
            while not _try(descriptor):
                if not waited and on_wait is not None:
                    on_wait(_holder(names_holder))
                waited = True
                if time.monotonic() >= deadline:
                    raise StoreBusy(directory, _holder(names_holder), wait_s)
                time.sleep(_POLL_S)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        # The copy goes on holding what the original holds.
        return os.dup(lock)


def _open(path: Path, opened: ExitStack) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    opened.callback(os.close, descriptor)
    return descriptor


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


def _holder(descriptor: int) -> int | None:
    """Whom a lock file names: ours begins with the process id, the engine's with `PID: ` and it."""
    text = re.match(rb"(?:PID: )?(\d+)\n", os.pread(descriptor, 32, 0))
    return int(text[1]) if text else None
