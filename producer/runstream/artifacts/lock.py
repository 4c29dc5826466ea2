"""One process at a time works on a staged artifact; the kernel lets go when that process dies."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LOCK_FILE: Final = "lock"
NOT_SUPPORTED: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EROFS, errno.EACCES})
"""No locks on this file system. Two workers then do the same work, to the same names with the same bytes: harmless."""

_open: set[int] = set()


def _close_inherited() -> None:
    """A forked child must not hold its parent's locks once the parent is gone."""
    for descriptor in _open:
        os.close(descriptor)
    _open.clear()


os.register_at_fork(after_in_child=_close_inherited)


@contextmanager
def locked(directory: Path) -> Iterator[bool]:
    """Hold the directory's lock; yields False when another holds it or the directory is gone."""
    try:
        descriptor = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except FileNotFoundError:
        yield False
        return
    except OSError as error:
        if error.errno not in NOT_SUPPORTED:
            raise
        yield True
        return
    _open.add(descriptor)
    owner = os.getpid()
    try:
        yield _acquired(descriptor)
    finally:
        if os.getpid() == owner:
            _open.discard(descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            except OSError:
                pass
            os.close(descriptor)


def _acquired(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NOT_SUPPORTED:
            raise
    return True
