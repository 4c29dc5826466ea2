from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from runstream.system.cgroup import ControlGroup
from runstream.system.counters import Counters, KernelCounters
from runstream.system.sampler import SystemSampler, rates


class Script:
    """Counters and a clock that follow a script: one reading each time."""

    def __init__(self, *readings: tuple[float, Counters | Exception]) -> None:
        self._readings: Iterator[tuple[float, Counters | Exception]] = iter(readings)
        self._counters: Counters | Exception = Counters()

    def clock(self) -> float:
        moment, self._counters = next(self._readings)
        return moment

    def read(self) -> Counters:
        if isinstance(self._counters, Exception):
            raise self._counters
        return self._counters


def sampler(script: Script, said: list[str] | None = None) -> SystemSampler:
    return SystemSampler(script, gpus=lambda: None, clock=script.clock, warn=(said if said is not None else []).append)


FIRST = Counters(10.0, 100.0, 30, 120, 5.0, 7, 1000, 2000, 3000, 4000)
THEN = Counters(15.0, 120.0, 60, 120, 8.0, 8, 1100, 2200, 3300, 4400)


def test_counters_become_rates_over_the_time_between_two_samples() -> None:
    script = Script((0.0, FIRST), (10.0, THEN))
    assert sampler(script).sample() == {
        "system/cpu_percent": 25.0,
        "system/memory_bytes": 60.0,
        "system/memory_percent": 50.0,
        "system/process.cpu_percent": 30.0,
        "system/process.memory_bytes": 8.0,
        "system/disk.read_bytes_per_s": 10.0,
        "system/disk.written_bytes_per_s": 20.0,
        "system/network.received_bytes_per_s": 30.0,
        "system/network.sent_bytes_per_s": 40.0,
    }


def test_what_cannot_be_read_is_left_out() -> None:
    script = Script((0.0, Counters()), (10.0, Counters(process_rss=5)))
    assert sampler(script).sample() == {"system/process.memory_bytes": 5.0}


def test_a_counter_that_went_back_and_a_clock_that_stands_give_no_rate() -> None:
    assert rates(THEN, FIRST, 10.0) == {}
    assert "system/cpu_percent" not in sampler(Script((5.0, FIRST), (5.0, THEN))).sample()


def test_broken_counters_are_reported_once_and_come_back() -> None:
    said: list[str] = []
    broken = OSError("no /proc")
    subject = sampler(Script((0.0, broken), (1.0, broken), (2.0, broken), (3.0, FIRST), (13.0, THEN)), said)
    assert [len(subject.sample()) for _ in range(4)] == [0, 0, 3, 9]
    assert len(said) == 1
    assert "no /proc" in said[0]


def test_a_forked_child_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script((0.0, FIRST), (90.0, THEN), (100.0, THEN))
    subject = sampler(script)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert subject.sample()["system/process.cpu_percent"] == 0.0


def test_this_machine_has_counters_that_make_sense() -> None:
    counters = KernelCounters().read()
    assert counters.cpu_busy_s is not None
    assert counters.cpu_total_s is not None
    assert 0 < counters.cpu_busy_s <= counters.cpu_total_s
    assert counters.memory_used is not None
    assert counters.memory_total is not None
    assert 0 < counters.memory_used < counters.memory_total
    assert counters.process_rss is not None
    assert 1_000_000 < counters.process_rss < counters.memory_total
    assert counters.network_received is not None


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_partitions_and_the_loopback_are_not_counted_twice(tmp_path: Path) -> None:
    row = " 1 0 {} 0 1 0 {} 0 0 0 0\n"
    disks = "".join(
        f"8 0 {name}" + row.format(*sectors)
        for name, sectors in {
            "nvme0n1": (10, 20),
            "nvme0n1p1": (10, 20),
            "sda": (1, 2),
            "sda1": (1, 2),
            "dm-0": (9, 9),
        }.items()
    )
    network = "Inter-| Receive\n face |bytes\n    lo: 5 0 0 0 0 0 0 0 5 0\n  eth0: 7 0 0 0 0 0 0 0 9 0\n"
    write(tmp_path, diskstats=disks, net__dev=network)
    counters = KernelCounters(tmp_path, ControlGroup(tmp_path, tmp_path / "none")).read()
    assert (counters.disk_read, counters.disk_written) == (11 * 512, 22 * 512)
    assert (counters.network_received, counters.network_sent) == (7, 9)
    assert counters.cpu_total_s is None
    assert counters.memory_used is None


def test_the_tightest_limit_above_a_process_counts(tmp_path: Path) -> None:
    root, membership = tmp_path / "cgroup", tmp_path / "self"
    membership.write_text("0::/job/step\n")
    write(root, job__step__memory_max="x")
    for name, text in {
        "job/step/memory.max": "max\n",
        "job/memory.max": "1000\n",
        "job/memory.current": "700\n",
        "job/memory.stat": "anon 1\ninactive_file 200\n",
        "job/cpu.max": "150000 100000\n",
        "job/step/cpu.max": "max 100000\n",
    }.items():
        (root / name).write_text(text)
    group = ControlGroup(root, membership)
    assert (group.memory_limit(), group.memory_used(), group.cpu_limit()) == (1000, 500, 1.5)
    write(tmp_path, meminfo="MemTotal: 100 kB\nMemAvailable: 60 kB\n")
    counters = KernelCounters(tmp_path, group).read()
    assert (counters.memory_used, counters.memory_total) == (500, 1000)


def test_version_1_limits_are_read_and_a_missing_group_limits_nothing(tmp_path: Path) -> None:
    membership = tmp_path / "self"
    membership.write_text("4:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n")
    for name, text in {
        "memory/memory.limit_in_bytes": "2048\n",
        "memory/docker/x/memory.limit_in_bytes": "9223372036854771712\n",
        "cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "cpu,cpuacct/docker/x/cpu.cfs_quota_us": "50000\n",
        "cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    group = ControlGroup(tmp_path, membership)
    assert (group.memory_limit(), group.cpu_limit(), group.memory_used()) == (2048, 0.5, None)
    nothing = ControlGroup(tmp_path, tmp_path / "missing")
    assert (nothing.memory_limit(), nothing.cpu_limit(), nothing.memory_used()) == (None, None, None)
