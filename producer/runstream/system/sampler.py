"""From counters to the metrics `system/…`."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Final, Protocol

from .counters import Counters, KernelCounters
from .gpus import Gpus, open_gpus

_logger = logging.getLogger("runstream")

PREFIX: Final = "system/"

_RATES: Final = (
    ("disk.read_bytes_per_s", "disk_read"),
    ("disk.written_bytes_per_s", "disk_written"),
    ("network.received_bytes_per_s", "network_received"),
    ("network.sent_bytes_per_s", "network_sent"),
)
"""Metric and counter: the metric is the counter's growth in a second."""


class CounterReader(Protocol):
    """Where counters come from."""

    def read(self) -> Counters:
        """The counters now."""


class SystemSampler:
    """Values of the time since the sample before; the first one counts from the sampler's making.

    For one thread at a time. A forked child may go on using its copy: it starts anew.
    """

    def __init__(
        self,
        counters: CounterReader | None = None,
        gpus: Callable[[], Gpus | None] = lambda: open_gpus(os.environ),
        clock: Callable[[], float] = time.monotonic,
        warn: Callable[[str], None] = _logger.warning,
    ) -> None:
        self._counters = counters or KernelCounters()
        self._open_gpus = gpus
        self._clock = clock
        self._warn = warn
        self._start()

    def sample(self) -> dict[str, float]:
        """The metrics by full name; what cannot be read is left out. Never raises.

        `system/cpu_percent` and `memory_percent` are 100 for the whole machine (or the container's memory limit),
        `system/process.cpu_percent` is 100 for one busy processor. The first call looks for GPUs, up to a second long.
        """
        if os.getpid() != self._pid:
            self._start()
        try:
            values = self._sample_counters()
        except Exception as error:
            self._say_once("counters", f"the machine's counters cannot be read: {error!r:.200}")
            values = {}
        values.update(self._sample_gpus())
        return {PREFIX + name: value for name, value in values.items()}

    def _start(self) -> None:
        self._pid = os.getpid()
        self._said: set[str] = set()
        self._gpus: Gpus | None = None
        self._look_for_gpus = True
        self._before: tuple[float, Counters] | None = None
        try:
            self._before = (self._clock(), self._counters.read())
        except Exception:
            # The next sample meets the same trouble and says so.
            pass

    def _sample_counters(self) -> dict[str, float]:
        moment, now = self._clock(), self._counters.read()
        values: dict[str, float] = {}
        if now.memory_used is not None and now.memory_total:
            values["memory_bytes"] = float(now.memory_used)
            values["memory_percent"] = 100 * now.memory_used / now.memory_total
        if now.process_rss is not None:
            values["process.memory_bytes"] = float(now.process_rss)
        if self._before is not None and moment > self._before[0]:
            values.update(rates(self._before[1], now, moment - self._before[0]))
        self._before = (moment, now)
        return values

    def _sample_gpus(self) -> dict[str, float]:
        try:
            if self._look_for_gpus:
                self._look_for_gpus = False
                self._gpus = self._open_gpus()
            return self._gpus.sample() if self._gpus else {}
        except Exception as error:
            self._say_once("gpus", f"GPUs cannot be sampled: {error!r:.200}")
            return {}

    def _say_once(self, kind: str, message: str) -> None:
        if kind not in self._said:
            self._said.add(kind)
            self._warn(f"runstream: {message} (said once)")


def rates(before: Counters, now: Counters, elapsed_s: float) -> dict[str, float]:
    """The metrics that are growth over time; a counter that went back (a disk or container that is gone) gives none."""
    values: dict[str, float] = {}
    busy, total = _growth(before.cpu_busy_s, now.cpu_busy_s), _growth(before.cpu_total_s, now.cpu_total_s)
    if busy is not None and total:
        values["cpu_percent"] = min(100.0, 100 * busy / total)
    own = _growth(before.process_cpu_s, now.process_cpu_s)
    if own is not None:
        values["process.cpu_percent"] = 100 * own / elapsed_s
    for name, counter in _RATES:
        growth = _growth(getattr(before, counter), getattr(now, counter))
        if growth is not None:
            values[name] = growth / elapsed_s
    return values


def _growth(before: float | None, now: float | None) -> float | None:
    return None if before is None or now is None or now < before else now - before
