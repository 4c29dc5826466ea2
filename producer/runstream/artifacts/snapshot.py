"""The bytes as they are now: a clone where the file system can share blocks, else a copy."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

FICLONE: Final = 0x40049409
"""ioctl of linux/fs.h: the destination shares the source's blocks until one is written (btrfs, XFS, bcachefs, ZFS)."""

COPY_BYTES: Final = 1024 * 1024
"""Read and written at once: larger pieces are no quicker."""


class SourceError(Exception):
    """What was to be kept cannot be read, or is no longer what it was; trying again will not help."""


def clone_file(source: Path, destination: Path) -> None:
    """Copy a regular file's content, without its metadata, in constant time where the file system can.

    Raises SourceError when the source cannot be read, and OSError when the destination cannot be written.
    """
    try:
        reader = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO must not block
    except OSError as error:
        raise SourceError(f"cannot read {source}: {error.strerror}") from error
    with os.fdopen(reader, "rb") as content:
        if not stat.S_ISREG(os.fstat(reader).st_mode):
            raise SourceError(f"{source} is neither a file nor a directory")
        with destination.open("xb") as copy:
            try:
                fcntl.ioctl(copy.fileno(), FICLONE, reader)
            except OSError:
                for part in _parts(source, content):
                    copy.write(part)


def snapshot(source: Path, destination: Path, without: Iterable[Path] = ()) -> None:
    """Keep a file or a directory as it is at this moment; the destination must not exist.

    Of a directory the regular files are kept, at the same relative paths. Links count as what they point to; links
    to nothing or to themselves, sockets and other special files, and what is removed meanwhile are left out, and so
    are the directories of `without`, such as the one that the snapshot grows in.

    Raises SourceError when the source cannot be read, and OSError when the destination cannot be written.
    """
    if not source.is_dir():
        clone_file(source, destination)
        return
    destination.mkdir()
    for path, file in files_below(source, without):
        copy = destination / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            clone_file(file, copy)
        except SourceError:
            if file.exists():
                raise
            # Removed since the directory was listed, as programs do with their temporary files.


def files_below(directory: Path, without: Iterable[Path] = ()) -> Iterator[tuple[str, Path]]:
    """Relative path, with slashes, and path of every regular file, in no order. Follows links, each circle once.

    Directories of `without` that lie in it are left out, by whatever name they are reached.
    Raises SourceError when a directory in it cannot be read.
    """
    yield from _files_below(directory, "", frozenset(_place(path.stat()) for path in without))


def fingerprint(source: Path) -> dict[str, list[int]]:
    """Size, mtime in ns and inode of every file, by relative path; of a single file under the empty path.

    What has the same fingerprint later is taken to be unchanged. Raises SourceError when it cannot be read.
    """
    try:
        if source.is_dir():
            return {path: _facts(file) for path, file in files_below(source)}
        if not stat.S_ISREG(source.stat().st_mode):
            raise SourceError(f"{source} is neither a file nor a directory")
        return {"": _facts(source)}
    except OSError as error:
        raise SourceError(f"cannot read {source}: {error.strerror}") from error


def _parts(source: Path, content: BinaryIO) -> Iterator[bytes]:
    while True:
        try:
            part = content.read(COPY_BYTES)
        except OSError as error:
            raise SourceError(f"cannot read {source}: {error.strerror}") from error
        if not part:
            return
        yield part


def _facts(file: Path) -> list[int]:
    facts = file.stat()
    return [facts.st_size, facts.st_mtime_ns, facts.st_ino]


def _place(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_dev, facts.st_ino


def _files_below(directory: Path, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[tuple[str, Path]]:
    try:
        here = directory.stat()
        entries = list(os.scandir(directory))
    except FileNotFoundError as error:
        if prefix:
            return  # removed since the directory above was listed
        raise SourceError(f"cannot read {directory}: {error.strerror}") from error
    except OSError as error:
        raise SourceError(f"cannot read {directory}: {error.strerror}") from error
    place = _place(here)
    if prefix and place in above:
        return
    for entry in entries:
        path = Path(entry.path)
        try:
            is_directory, is_file = entry.is_dir(), entry.is_file()
        except OSError:
            continue  # a link to itself
        if is_directory:
            yield from _files_below(path, f"{prefix}{entry.name}/", above | {place})
        elif is_file:
            yield f"{prefix}{entry.name}", path
