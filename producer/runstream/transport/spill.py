"""Messages of one attempt that wait for the broker on the disk: a small log directory, and a lock held by its owner.

`<RUNSTREAM_DIR>/spill/<run id>.<rank>.<attempt>/` holds `lock`, which also says where the messages are to go, and
segments as in a log directory. A segment is removed once every message of it is at the broker.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson

from ..batches import Message
from .log_directory import LogDirectory
from .segments import count_points

LOCK = "lock"
SEGMENT_BYTES: Final = 4 * 1024 * 1024
"""What is read into memory at once to be sent, and sent again when one message of it is refused."""
RESERVE_SHARE: Final = 0.05
RESERVE_BYTES: Final = 1024**3
"""Left free of the spill's disk, this share of it and at most this much: checkpoints are written there, too."""
ORDER: Final = ("run", "param", "tag", "artifact", "metric", "status")
"""In which events are sent: the final status last, since it says that all else is there."""


class SpillInUse(OSError):
    """The spill's owner is alive."""


class NotASpill(ValueError):
    """The directory is not named like a spill."""


class Spill:
    """The spill of one attempt. Owned by one thread; makes its directory when the first message comes."""

    def __init__(self, directory: Path, *, info: dict[str, Any], fsync: bool = False) -> None:
        """`info` tells whoever ships it where it is to go. Raises NotASpill."""
        self.directory = directory
        self.info = info
        self.run_id, self.rank, self.attempt = identity_of(directory)
        self._log = LogDirectory(
            directory,
            run_id=self.run_id,
            rank=self.rank,
            attempt=self.attempt,
            fsync=fsync,
            segment_bytes=SEGMENT_BYTES,
        )
        self._lock: int | None = None
        self._points: dict[Path, int] = {}
        """Segments that wait, and the points of each."""

    @classmethod
    def recover(cls, directory: Path) -> Spill:
        """The spill of an owner that is gone. Raises SpillInUse, NotASpill or OSError."""
        spill = cls(directory, info={})
        spill._hold()
        try:
            spill.info = orjson.loads((directory / LOCK).read_bytes() or b"{}")
        except ValueError:
            pass  # its owner died while it wrote it: the settings tell as well
        return spill

    @property
    def points(self) -> int:
        """Points of all segments that wait; those of an earlier owner only after `count`."""
        return sum(self._points.values())

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._points)

    def count(self) -> int:
        """Count the points of what an earlier owner left, by decoding all of it: some million a second."""
        self._points = {path: count_points(path) for path in self._points}
        return self.points

    def put(self, messages: Sequence[Message]) -> None:
        """Keep messages. Raises OSError, and then some of them may be kept."""
        if self._lock is None:
            self._hold()
            (self.directory / LOCK).write_bytes(orjson.dumps(self.info))
        _leave_room(os.statvfs(self.directory))
        self._log.append(messages)
        for event in {message.event for message in messages}:
            path = self._log.segment(event)
            assert path is not None, "something was just written to it"
            new = sum(message.points for message in messages if message.event == event)
            self._points[path] = self._points.get(path, 0) + new

    def next_segment(self, but: Collection[str]) -> Path | None:
        """A segment that waits, of none of those events; nothing is written to it any more."""
        waiting = [path for path in self._points if path.parent.name not in but]
        if waiting:
            self.seal()
        return min(waiting, key=lambda path: ORDER.index(path.parent.name), default=None)

    def seal(self) -> None:
        """Close the segments that are written to; another message would begin new ones."""
        self._log.close()

    def postpone(self, segment: Path) -> None:
        """Have all others of its event come before it."""
        self._points[segment] = self._points.pop(segment)

    def remove(self, segment: Path) -> None:
        """Forget a segment: all of it is at the broker."""
        segment.unlink(missing_ok=True)
        self._points.pop(segment, None)

    def leave_to_parent(self) -> None:
        """In a forked child: let go of the lock, which a copy would hold beyond the parent's end."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def close(self) -> None:
        """Let go of it, and remove its directory when nothing waits. Raises nothing."""
        self._log.close()
        if self._lock is not None and not self:
            for event in ORDER:
                _remove_directory(self.directory / event)
            (self.directory / LOCK).unlink(missing_ok=True)
            _remove_directory(self.directory)
        self.leave_to_parent()

    def _hold(self) -> None:
        """Take the lock, and find what an earlier owner left."""
        self.directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink == 0:
                raise BlockingIOError  # whoever had it has just removed it
        except BlockingIOError:
            os.close(descriptor)
            raise SpillInUse(f"{self.directory} belongs to a living process") from None
        except OSError:
            os.close(descriptor)
            raise
        self._lock = descriptor
        self._points = dict.fromkeys(segments(self.directory), 0)


def find_spills(spill_dir: Path) -> list[Path]:
    """The spills below RUNSTREAM_DIR's directory for them. Raises nothing."""
    try:
        return sorted(path for path in spill_dir.iterdir() if path.is_dir())
    except OSError:
        return []


def segments(directory: Path) -> Iterator[Path]:
    """The files of a spill that hold messages."""
    for event in ORDER:
        yield from sorted((directory / event).glob("*.avro"))


def identity_of(directory: Path) -> tuple[UUID, int, int]:
    """Run, rank and attempt of a spill, by its name. Raises NotASpill."""
    try:
        run_id, rank, attempt = directory.name.split(".")
        return UUID(run_id), int(rank), int(attempt)
    except ValueError as error:
        raise NotASpill(f"{directory} is no spill") from error


def _leave_room(disk: os.statvfs_result) -> None:
    """Raise OSError when only the reserve is left."""
    free, size = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    reserve = min(RESERVE_BYTES, int(RESERVE_SHARE * size))
    if free < reserve:
        mebibytes = f"{free >> 20:,} MiB of its disk are free, the last {reserve >> 20:,} are left to others"
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: {mebibytes}")


def _remove_directory(path: Path) -> None:
    try:
        path.rmdir()
    except OSError:
        pass  # not there, or not empty
