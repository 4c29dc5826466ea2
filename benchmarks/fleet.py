"""The cluster's pipeline under thousands of runs: real broker, real worker, and how each part grows.

Slow loggers, the usual case: every run logs once a second; how long until SQL sees it, and what each part uses.
Fast loggers: a topic that is full already; how many points a second go into the store, broker and worker on the same
machine. With --sustain, also for minutes on end.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace

from .fast_load import Fast, Sustained, fast, sustained
from .parts import Usage
from .report import Check, Report, Table, number, options, publish, scratch_directory
from .skew import skew_table
from .slow_load import Load, Slow, slow

P99_TARGET_S = 2.0
RATE_TARGET = 3e6
"""Points a second from the topics into the store, at 100 log calls a message."""
FULL_RUNS = 10_000
FULL_POINTS = 10_000_000


def slow_table(measured: Sequence[Slow]) -> Table:
    """Growth with the number of runs."""
    rows = [
        (
            found.load.name,
            number(found.points_s),
            number(found.messages_s),
            f"{found.p50_s:.2f} / {found.p99_s:.2f} / {found.worst_s:.2f}",
            number(found.lag),
            *(_used(found.usage[part]) for part in ("broker", "worker", "store")),
            f"{found.usage['fleet'].cores:.2f}",
            f"{found.late_s:.2f}",
            f"{found.stored:.2%}",
        )
        for found in measured
    ]
    columns = ("", "points/s", "messages/s", "latency p50 / p99 / worst, s", "lag", "broker, cores / MiB")
    columns += ("worker", "store", "fleet, cores", "fleet late, s", "stored")
    return Table("Slow loggers: 10 metrics once a second", columns, rows)


def fast_table(measured: Sequence[Fast]) -> Table:
    """By the length of messages."""
    rows = [
        (
            f"{found.calls:,} log calls a message",
            f"{found.bytes / found.messages:,.0f}",
            number(found.points / found.drain_s / 1e6),
            number(found.messages / found.drain_s),
            *(_used(found.usage[part]) for part in ("broker", "worker")),
        )
        for found in measured
    ]
    columns = ("", "bytes", "M points/s", "messages/s")
    return Table("Fast loggers: draining a full topic", (*columns, "broker, cores / MiB", "worker"), rows)


def sustained_table(found: Sustained) -> Table:
    """Whether it lasts."""
    rows = [
        (
            f"{found.seconds / 60:.1f} minutes, {found.calls:,} log calls a message",
            number(found.points / 1e6),
            number(found.points / found.seconds / 1e6),
            number(found.slowest_minute / 1e6),
            *(_used(found.usage[part]) for part in ("broker", "worker")),
            number(found.usage["worker"].drift_mib),
        )
    ]
    columns = ("", "M points", "M points/s", "slowest minute", "broker, cores / MiB", "worker")
    return Table("Fast loggers: kept up", (*columns, "worker's growth, MiB"), rows)


def _used(usage: Usage) -> str:
    return f"{usage.cores:.2f} / {usage.peak_mib:,.0f}"


def checks(slow_found: Sequence[Slow], fast_found: Sequence[Fast]) -> list[Check]:
    """Beside the targets."""
    found = []
    for one in slow_found:
        if one is slow_found[-1]:
            whole = one.load.runs >= FULL_RUNS
            found.append(Check("slow loggers: log() to SQL, p99", one.p99_s, "s", P99_TARGET_S, comparable=whole))
            cores = one.usage["worker"].cores
            found.append(Check("slow loggers: the worker", cores, "cores", 1.0, comparable=whole))
    for drained in fast_found:
        if drained.calls == 100:
            rate, whole = drained.points / drained.drain_s / 1e6, drained.points >= FULL_POINTS
            found.append(
                Check("fast loggers: topics to store", rate, "M points/s", RATE_TARGET / 1e6, True, comparable=whole)
            )
    return found


def main(arguments: list[str] | None = None) -> None:
    """Run it."""
    parser = options(__doc__ or "")
    parser.add_argument("--runs", type=int, nargs="*", default=[100, 1_000, FULL_RUNS], help="numbers of slow runs")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measurement of slow runs")
    parser.add_argument("--linger", type=float, default=1.0, help="seconds that a producer waits before it sends")
    parser.add_argument(
        "--chatty", type=int, default=0, help="also with one run of so many steps a second, below 9,000"
    )
    parser.add_argument("--processes", type=int, default=1, help="that simulate the slow runs")
    parser.add_argument("--calls", type=int, nargs="*", default=[1, 10, 100, 1_000], help="log calls a message")
    parser.add_argument("--points", type=int, default=20_000_000, help="of each measurement of fast runs, at most")
    parser.add_argument("--sustain", type=float, default=0.0, metavar="SECONDS", help="also keep up for so long")
    parser.add_argument("--partitions", type=int, default=6)
    chosen = parser.parse_args(arguments)
    loads = [Load(runs, chosen.linger, 1.0, 0, chosen.partitions, chosen.processes) for runs in chosen.runs]
    if chosen.chatty and loads:
        loads.insert(-1, replace(loads[-1], chatty_steps=chosen.chatty))
    report = Report("fleet")
    scratch = scratch_directory(chosen.scratch)
    try:
        slow_found = [slow(scratch / f"slow{place}", load, chosen.seconds) for place, load in enumerate(loads)]
        fast_found = [fast(scratch / f"fast{n}", n, chosen.points, chosen.partitions) for n in chosen.calls]
        report.tables.append(skew_table(scratch / "skew"))
        lasting = [sustained(scratch / "lasting", 100, chosen.sustain, chosen.partitions)] if chosen.sustain else []
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if slow_found:
        report.tables.insert(0, slow_table(slow_found))
    if fast_found:
        report.tables.append(fast_table(fast_found))
    report.tables += [sustained_table(found) for found in lasting]
    report.checks = checks(slow_found, fast_found)
    report.raw = {
        "slow": [asdict(found) for found in slow_found],
        "fast": [asdict(found) for found in fast_found],
        "sustained": [asdict(found) for found in lasting],
    }
    publish(report, chosen.results, chosen.markdown)


if __name__ == "__main__":
    main()
