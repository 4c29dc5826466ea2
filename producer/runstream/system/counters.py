"""One look at the counters that the Linux kernel keeps of a machine and of this process."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from .cgroup import ControlGroup

_SECTOR_BYTES: Final = 512
"""Unit of /proc/diskstats, whatever the disk's own sectors are."""

_WHOLE_DISK: Final = re.compile(r"(?:sd|vd|xvd|hd)[a-z]+|nvme\d+n\d+|mmcblk\d+")
"""Disks without their partitions and without the layers above them, which would count the same bytes again."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Counters:
    """A moment of the machine; None for what cannot be read. Seconds and bytes; counters grow from boot on."""

    cpu_busy_s: float | None = None
    """Seconds of all processors that were spent working."""
    cpu_total_s: float | None = None
    """Seconds of all processors, idle ones included."""
    memory_used: int | None = None
    """Bytes that cannot be had without swapping; inside a container with a limit, the container's."""
    memory_total: int | None = None
    """Bytes of the machine, or the container's limit."""
    process_cpu_s: float | None = None
    process_rss: int | None = None
    disk_read: int | None = None
    disk_written: int | None = None
    network_received: int | None = None
    """Bytes of all interfaces but the loopback."""
    network_sent: int | None = None


class KernelCounters:
    """Reads Counters from /proc and the control groups; holds no file open, so a forked child may use it."""

    def __init__(self, proc: Path = Path("/proc"), group: ControlGroup | None = None) -> None:
        self._proc = proc
        self._group = group or ControlGroup()

    def read(self) -> Counters:
        """Read all of them, in about a millisecond. Never raises."""
        busy, total = _known(self._cpu) or (None, None)
        used, available = _known(self._memory) or (None, None)
        read, written = _known(self._disks) or (None, None)
        received, sent = _known(self._network) or (None, None)
        times = os.times()
        return Counters(
            cpu_busy_s=busy,
            cpu_total_s=total,
            memory_used=used,
            memory_total=available,
            process_cpu_s=times.user + times.system,
            process_rss=_known(self._rss),
            disk_read=read,
            disk_written=written,
            network_received=received,
            network_sent=sent,
        )

    def _cpu(self) -> tuple[float, float]:
        # proc_stat(5): user nice system idle iowait irq softirq steal; guest times are part of user.
        ticks = [int(text) for text in self._text("stat").split("\n", 1)[0].split()[1:9]]
        per_second = os.sysconf("SC_CLK_TCK")
        return (sum(ticks) - ticks[3] - ticks[4]) / per_second, sum(ticks) / per_second

    def _memory(self) -> tuple[int, int]:
        fields = dict(line.split(":", 1) for line in self._text("meminfo").splitlines())
        total, free = (int(fields[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
        limit, used = self._group.memory_limit(), self._group.memory_used()
        if limit is not None and used is not None and limit < total:
            return used, limit
        return total - free, total

    def _rss(self) -> int:
        return int(self._text("self/statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def _disks(self) -> tuple[int, int]:
        rows = [line.split() for line in self._text("diskstats").splitlines()]
        disks = [row for row in rows if _WHOLE_DISK.fullmatch(row[2])]
        return sum(int(row[5]) for row in disks) * _SECTOR_BYTES, sum(int(row[9]) for row in disks) * _SECTOR_BYTES

    def _network(self) -> tuple[int, int]:
        rows = [line.partition(":") for line in self._text("net/dev").splitlines() if ":" in line]
        fields = [rest.split() for name, _, rest in rows if name.strip() != "lo"]
        return sum(int(row[0]) for row in fields), sum(int(row[8]) for row in fields)

    def _text(self, name: str) -> str:
        return (self._proc / name).read_text()


def _known(read: Callable[[], _T]) -> _T | None:
    try:
        return read()
    except (OSError, ValueError, IndexError, KeyError):
        return None
