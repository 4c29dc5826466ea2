"""One process of a run samples its node: whoever holds a lock file; the kernel frees it when the holder dies."""

from __future__ import annotations

import fcntl
import os
import tempfile
import weakref
from pathlib import Path
from uuid import UUID


class NodeElection:
    """Whether this process is its node's sampler. For one thread at a time.

    A forked child does not inherit the office, and its end does not end the parent's.
    """

    def __init__(self, run_id: UUID | str, node: int, directory: Path | None = None) -> None:
        """Take part; `directory` is one that all ranks on this node see and other nodes do not (the temporary one)."""
        name = f"runstream-{os.getuid()}-{run_id}-{node}.lock"
        self._path = (directory or Path(tempfile.gettempdir())) / name
        self._descriptor: int | None = None
        _elections.add(self)

    def acquire(self) -> bool:
        """Whether this process holds the office, after trying to take it. Returns at once and never raises.

        Where no file can be locked everyone holds it: twice sampled is better than not at all.
        """
        if self._descriptor is not None:
            return True
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError:
            # A file system without locks.
            os.close(descriptor)
            return True
        if not self._is_still_there(descriptor):
            # The holder before removed the file between our open and our lock; next time there is a new one.
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the office up and remove the file; another process takes it with its next `acquire`. Never raises."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        try:
            self._path.unlink()
        except OSError:
            pass
        os.close(descriptor)

    def _is_still_there(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except OSError:
            return False

    def leave_to_parent(self) -> None:
        """In a forked child: close the copy of the parent's lock, which would outlive the parent in it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


_elections: weakref.WeakSet[NodeElection] = weakref.WeakSet()


def _leave_all_to_parent() -> None:
    for election in list(_elections):
        election.leave_to_parent()


os.register_at_fork(after_in_child=_leave_all_to_parent)
