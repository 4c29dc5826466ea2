"""What a container or a scheduler allows this process: processors and memory, from control groups (version 2, else 1).

A limit may stand at any level above the process, so each level up to the root is asked and the tightest counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

UNLIMITED_BYTES: Final = 1 << 60
"""Version 1 writes the largest page-aligned integer for no limit."""


class ControlGroup:
    """The control groups of this process. No method raises; None means no limit or unknown."""

    def __init__(self, root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> None:
        self._unified: list[Path] = []
        self._memory: list[Path] = []
        self._cpu: list[Path] = []
        for line in (_read(membership) or "").splitlines():
            controllers, _, path = line.partition(":")[2].partition(":")
            if not controllers:
                self._unified = list(_levels(root, path))
            if "memory" in controllers.split(","):
                self._memory = list(_levels(root / "memory", path))
            if "cpu" in controllers.split(","):
                self._cpu = list(_levels(root / controllers, path))

    def memory_limit(self) -> int | None:
        """Bytes of memory that may be used."""
        files = [level / "memory.max" for level in self._unified]
        files += [level / "memory.limit_in_bytes" for level in self._memory]
        limits = [limit for file in files if (limit := _number(file)) is not None and limit < UNLIMITED_BYTES]
        return min(limits, default=None)

    def memory_used(self) -> int | None:
        """Bytes in use at the level with the tightest limit, without file caches that can be dropped at once."""
        limited = [(limit, level) for level in self._unified if (limit := _number(level / "memory.max")) is not None]
        if not limited:
            return None
        level = min(limited)[1]
        used = _number(level / "memory.current")
        return None if used is None else max(0, used - _field(level / "memory.stat", "inactive_file"))

    def cpu_limit(self) -> float | None:
        """Processors' worth of time that may be used."""
        limits: list[float] = []
        for level in self._unified:
            quota, _, period = (_read(level / "cpu.max") or "").partition(" ")
            if quota.isdigit() and period.strip().isdigit():
                limits.append(int(quota) / int(period))
        for level in self._cpu:
            quota_us, period_us = _number(level / "cpu.cfs_quota_us"), _number(level / "cpu.cfs_period_us")
            if quota_us is not None and period_us:
                limits.append(quota_us / period_us)
        return min(limits, default=None)


def _levels(root: Path, path: str) -> Iterator[Path]:
    """The group's directory and all above it, as far as they are visible; inside a container often only the root."""
    inner = (root / path.strip("/")).resolve()
    for level in (inner, *inner.parents):
        if level.is_dir():
            yield level
        if level == root:
            return


def _read(file: Path) -> str | None:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError):
        return None


def _number(file: Path) -> int | None:
    """The non-negative number in a file; None for `max`, -1, or no such file."""
    text = (_read(file) or "").strip()
    return int(text) if text.isdigit() else None


def _field(file: Path, name: str) -> int:
    for line in (_read(file) or "").splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.isdigit():
            return int(value)
    return 0
