"""What each process of the pipeline uses: CPU seconds and resident memory, from /proc."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
SAMPLE_S = 1.0


@dataclass
class Usage:
    """Of one part, over the time of a measurement."""

    cores: float
    """CPU seconds a second."""
    rss_mib: list[float] = field(default_factory=list)
    """Resident memory, a sample a second."""

    @property
    def peak_mib(self) -> float:
        return max(self.rss_mib, default=0.0)

    @property
    def drift_mib(self) -> float:
        """Memory at the end against that after a third, each the middle of its samples: growth that does not stop."""
        third = len(self.rss_mib) // 3
        if third < 3:
            return 0.0
        return sorted(self.rss_mib[-third:])[third // 2] - sorted(self.rss_mib[third : 2 * third])[third // 2]


class Watch:
    """Samples processes, each part by name and with its children, until told to stop. A context manager."""

    def __init__(self, parts: Mapping[str, int]) -> None:
        self._parts = parts
        self._rss: dict[str, list[float]] = {name: [] for name in parts}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.usage: dict[str, Usage] = {}

    def __enter__(self) -> Watch:
        self._began = time.monotonic()
        self._before = {name: cpu_s(pid) for name, pid in self._parts.items()}
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        seconds = time.monotonic() - self._began
        for name, pid in self._parts.items():
            self.usage[name] = Usage((cpu_s(pid) - self._before[name]) / seconds, self._rss[name])

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            for name, pid in self._parts.items():
                self._rss[name].append(rss_mib(pid))


def cpu_s(pid: int) -> float:
    """CPU seconds of a process so far, with children that have ended; 0 for one that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS_PER_S


def rss_mib(pid: int) -> float:
    """Resident memory of a process, 0 for one that is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return 0.0
