"""Which machine gave the numbers: without it they say nothing."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """The machine and what else it was doing."""

    cpu: str
    cores: int
    """Those this process may use."""
    memory_gib: float
    kernel: str
    python: str
    runstream: str
    engine: str
    """The embedded store's package and version, empty where it is not installed."""
    load: float
    """Processes that wanted a core during the last minute, when the benchmark began: 0 on a quiet machine."""
    at: str

    @property
    def line(self) -> str:
        """One line for people."""
        engine = f", {self.engine}" if self.engine else ""
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gib:.0f} GiB, Linux {self.kernel}, "
            f"Python {self.python}{engine}, load {self.load:.1f} at the start, {self.at}"
        )


def describe() -> Machine:
    """This machine, now."""
    return Machine(
        cpu=_cpu(_read("/proc/cpuinfo")),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=_memory_gib(_read("/proc/meminfo")),
        kernel=platform.release(),
        python=platform.python_version(),
        runstream=_version("runstream"),
        engine=f"chdb-core {_version('chdb-core')}" if _version("chdb-core") else "",
        load=os.getloadavg()[0],
        at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _cpu(cpuinfo: str) -> str:
    found = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _memory_gib(meminfo: str) -> float:
    found = re.search(r"^MemTotal:\s*(\d+) kB$", meminfo, re.MULTILINE)
    return int(found[1]) / 2**20 if found else 0.0


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
