"""Where a journal may lie: on a local file system. A mapped file on a network one can stall or kill the trainer."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from runstream_schemas.settings import MIN_JOURNAL_BYTES

from .ring import Ring

NETWORK_FILE_SYSTEMS = frozenset(
    [
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "ceph", "gpfs", "beegfs", "glusterfs", "afs", "9p"),
        *("virtiofs", "orangefs", "pvfs2", "panfs", "wekafs"),
    ]
)
"""Kernel names of file systems behind a network; every `fuse…` counts as one too."""

SUFFIX = ".journal"
POINTER_SUFFIX = ".pointer"


def file_system(path: Path, mountinfo: str) -> str:
    """The kernel's name of the file system that a path lies on, from the text of /proc/self/mountinfo; "" if unknown.

    The format is that of proc(5): fields, a separator of one dash, the file system's type. Of two mounts in one place
    the later one counts.
    """
    found, longest = "", -1
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        mount = Path(fields[4].replace("\\040", " "))
        if (path == mount or mount in path.parents) and len(mount.parts) >= longest:
            found, longest = after.split()[0], len(mount.parts)
    return found


def is_network(path: Path, read_mounts: Callable[[], str] | None = None) -> bool:
    """Whether a path lies on a network file system; unknown counts as local."""
    try:
        mounts = (read_mounts or _read_mounts)()
    except OSError:
        return False
    kind = file_system(path.resolve(), mounts)
    return kind in NETWORK_FILE_SYSTEMS or kind.startswith("fuse")


def candidates(journal_dir: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    """Directories for the journal, the preferred first."""
    yield journal_dir
    for base in (environ.get("SLURM_TMPDIR"), environ.get("TMPDIR"), tempfile.gettempdir()):
        if base:
            yield Path(base) / f"runstream-{os.getuid()}" / "journal"


def open_ring(
    journal_dir: Path,
    *,
    size: int,
    run_id: UUID,
    rank: int,
    attempt: int,
    info: dict[str, Any],
    environ: Mapping[str, str] = os.environ,
    network: Callable[[Path], bool] = is_network,
) -> tuple[Ring, str]:
    """The journal of a new attempt in the first place that takes it, else in memory; and why not elsewhere.

    A pointer in `journal_dir` tells `sync` of a journal that lies in another directory; where that cannot be written,
    `find_elsewhere` finds the journal.

    Raises FileExistsError when another process has this attempt, and OSError when there is no memory either.
    """
    name = f"{run_id}.{rank}.{attempt}{SUFFIX}"
    reasons = []
    for directory in candidates(journal_dir, environ):
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if directory != journal_dir and not _is_ours(directory):
                reasons.append(f"{directory} is in a directory of another user")
                continue
            if network(directory):
                reasons.append(f"{directory} is on a network file system")
                continue
            path = directory / name
            ring = Ring.create(path, size=size, run_id=run_id, rank=rank, attempt=attempt, info=info)
        except FileExistsError:
            if (directory / name).exists():
                raise
            reasons.append(f"{directory} is not a directory")
            continue
        except OSError as error:
            reasons.append(f"{directory}: {error.strerror or error}")
            continue
        if directory != journal_dir:
            _write_pointer(journal_dir / (name + POINTER_SUFFIX), path)
        return ring, "; ".join(reasons)
    try:
        ring = Ring.create(None, size=size, run_id=run_id, rank=rank, attempt=attempt, info=info)
    except OSError:
        # Little memory, or a size that was mistyped. A small ring holds seconds of logging, which is mostly enough.
        ring = Ring.create(None, size=MIN_JOURNAL_BYTES, run_id=run_id, rank=rank, attempt=attempt, info=info)
    return ring, "; ".join(reasons)


def find_journals(journal_dir: Path) -> list[Path]:
    """Journals of processes of this host that lie in the directory or are pointed to from it.

    A pointer whose journal is gone is removed.
    """
    found = sorted(journal_dir.glob(f"*{SUFFIX}")) if journal_dir.is_dir() else []
    for pointer in sorted(journal_dir.glob(f"*{POINTER_SUFFIX}")) if journal_dir.is_dir() else []:
        try:
            content = orjson.loads(pointer.read_bytes())
            if content["host"] != socket.gethostname():
                continue
            path = Path(content["path"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if path.exists():
            found.append(path)
        else:
            _remove(pointer)
    return found


def find_elsewhere(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Journals of this user in the directories that stand in for one that cannot be used, of any RUNSTREAM_DIR."""
    places = list(candidates(Path(), environ))[1:]
    ours = [place for place in dict.fromkeys(places) if place.is_dir() and _is_ours(place)]
    return [path for place in ours for path in sorted(place.glob(f"*{SUFFIX}"))]


def remove_pointer(journal_dir: Path, journal: Path) -> None:
    """Forget a journal that was shipped. Raises nothing."""
    _remove(journal_dir / (journal.name + POINTER_SUFFIX))


def _is_ours(stand_in: Path) -> bool:
    """Whether this user made the directory: anybody may make one of its name beside it, to take or plant journals."""
    try:
        return stand_in.parent.lstat().st_uid == os.getuid()
    except OSError:
        return False


def _remove(pointer: Path) -> None:
    try:
        pointer.unlink(missing_ok=True)
    except OSError:
        pass  # a pointer to nothing is passed over


def _write_pointer(pointer: Path, journal: Path) -> None:
    try:
        pointer.parent.mkdir(parents=True, exist_ok=True)
        pointer.write_bytes(orjson.dumps({"host": socket.gethostname(), "path": str(journal)}))
    except OSError:
        pass  # `find_elsewhere` finds it without


def _read_mounts() -> str:
    return Path("/proc/self/mountinfo").read_text()
