"""How many points one process brings from log() into a log directory a second, and where the time goes."""

from __future__ import annotations

import cProfile
import os
import pstats
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from . import left_behind, loops
from .fresh_process import in_fresh_process
from .report import Check, Report, Table, number, options, publish, scratch_directory

if TYPE_CHECKING:
    from runstream.journal.ring import Ring

TARGET = 3e6
"""Points a second, log() to delivered."""
PROFILE_LINES = 12


@dataclass(frozen=True)
class Sustained:
    """One run that logged without a pause."""

    logged: int
    """Points that the caller handed over."""
    delivered: int
    """Points in the log directory, by the run's own final count."""
    dropped: int
    """Points refused because the journal was full: log() does not wait for the event log."""
    logging_s: float
    total_s: float
    """From the first call to the end of finish."""


def sustained(directory: Path, width: int, calls: int, ahead: int | None) -> Sustained:
    """Log calls of so many metrics; runs in a fresh process.

    `ahead`: wait when so many calls are not delivered, as a caller with a real training step would; None: never wait.
    """
    import runstream

    # Samples of the machine would be counted as points.
    os.environ["RUNSTREAM_SYSTEM_PERIOD_S"] = "0"
    run = runstream.init("throughput", dir=directory)
    assert isinstance(run, runstream.Run)
    time.sleep(1.5)
    source = loops.rows(width)
    log = run.log
    began = time.perf_counter()
    ring = run._attempt.writer.ring
    for step in range(calls):
        if ahead is not None and step % 1000 == 0:
            while step - _delivered(ring) // width > ahead:
                time.sleep(0.001)
        log(source[step % loops.VARIANTS], step)
    logged_at = time.perf_counter()
    run.finish(120)
    ended = time.perf_counter()
    end = left_behind.final_status(directory)
    return Sustained(calls * width, end["queued"], sum(end["dropped"].values()), logged_at - began, ended - began)


def _delivered(ring: Ring) -> int:
    """Points that have arrived, by the journal's own table."""
    number = ring.delivered
    shipment = ring.shipment(number - 1) if number else None
    return shipment.queued if shipment else 0


@dataclass(frozen=True)
class Alone:
    """The two halves, each without the other."""

    points: int
    append_s: float
    """Writing rows into the journal, no shipper running."""
    ship_s: float
    """Cutting, encoding and writing the same rows, no writer running."""
    profile: list[tuple[str, int, float]]
    """Functions of the shipping half by their own time: place, calls, seconds under the profiler."""


def alone(directory: Path, width: int, calls: int) -> Alone:
    """Fill a journal, then ship it, in one thread; runs in a fresh process. Assumes that the rows fit the journal."""
    append_s, ship = _filled(directory / "plain", width, calls)
    began = time.perf_counter()
    ship()
    ship_s = time.perf_counter() - began
    _, ship = _filled(directory / "profiled", width, calls)
    profiler = cProfile.Profile()
    profiler.runcall(ship)
    return Alone(calls * width, append_s, ship_s, _hottest(profiler))


def _filled(directory: Path, width: int, calls: int) -> tuple[float, Callable[[], object]]:
    """A journal with rows in it: the seconds that took, and what ships it."""
    from runstream.courier import Courier, deliver_all
    from runstream.journal.ring import Ring
    from runstream.journal.writer import JournalWriter
    from runstream.transport.log_directory import LogDirectory

    directory.mkdir(parents=True)
    run_id = uuid4()
    attempt = time.time_ns() // 1000
    size = 32 * 1024 * 1024 + calls * (width + 3) * 8 * 2
    ring = Ring.create(directory / "j.journal", size=size, run_id=run_id, rank=0, attempt=attempt, info={})
    writer = JournalWriter(ring, start_step=None, warn=_refuse, on_chunk=lambda: None)
    source = loops.rows(width)
    append = writer.append
    began = time.perf_counter()
    for step in range(calls):
        append(source[step % loops.VARIANTS], step)
    seconds = time.perf_counter() - began
    transport = LogDirectory(directory / "log", run_id=run_id, rank=0, attempt=attempt)
    courier = Courier(ring, transport, warn=_refuse)
    return seconds, lambda: deliver_all(courier)


def _refuse(_: str, message: str) -> None:
    raise RuntimeError(message)


def _hottest(profiler: cProfile.Profile) -> list[tuple[str, int, float]]:
    entries = pstats.Stats(profiler).get_stats_profile().func_profiles
    found = [
        (
            f"{Path(entry.file_name).name}: {name}" if entry.line_number else name,
            int(entry.ncalls.split("/")[0]),
            entry.tottime,
        )
        for name, entry in entries.items()
    ]
    return sorted(found, key=lambda row: -row[2])[:PROFILE_LINES]


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = options(__doc__ or "")
    parser.add_argument("--calls", type=int, default=2_000_000, help="calls of log()")
    parser.add_argument("--width", type=int, default=10, help="metrics in one call")
    chosen = parser.parse_args(arguments)
    report = Report("throughput")
    scratch = scratch_directory(chosen.scratch)
    width, calls = chosen.width, chosen.calls
    try:
        burst = in_fresh_process(sustained, scratch / "burst", width, calls, None)
        held = in_fresh_process(sustained, scratch / "held", width, calls, 200_000)
        halves = in_fresh_process(alone, scratch / "alone", width, min(calls, 300_000))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    rows = [
        (
            what,
            f"{s.logged / 1e6:.2f}",
            f"{s.dropped / 1e6:.2f}",
            f"{s.total_s:.2f}",
            f"{s.delivered / s.total_s / 1e6:.2f}",
        )
        for what, s in (("without a pause", burst), ("never more than 200,000 calls ahead of the log", held))
    ]
    columns = (
        f"log() of {width} metrics",
        "M points logged",
        "M dropped, journal full",
        "s until delivered",
        "M points/s delivered",
    )
    report.tables.append(Table("One process, log() to delivered in the log directory, finish included", columns, rows))
    report.tables.append(
        Table(
            "The halves, each alone in one thread",
            ("", "M points/s"),
            [
                ("log() into the journal", f"{halves.points / halves.append_s / 1e6:.2f}"),
                ("journal to log directory", f"{halves.points / halves.ship_s / 1e6:.2f}"),
                (
                    "both one after the other, as one core would",
                    f"{halves.points / (halves.append_s + halves.ship_s) / 1e6:.2f}",
                ),
            ],
        )
    )
    # The profile is rounded to ms, all of it to nothing when there was little to ship.
    total = max(1e-3, sum(seconds for _, _, seconds in halves.profile))
    report.tables.append(
        Table(
            "Journal to log directory under cProfile: functions by their own time",
            ("function", "calls", "ms", "%"),
            [
                (place, f"{count:,}", f"{1e3 * seconds:.1f}", f"{100 * seconds / total:.0f}")
                for place, count, seconds in halves.profile
            ],
        )
    )
    best = held.delivered / held.total_s
    what = "one process, log() to delivered, nothing dropped" if not held.dropped else "one process, log() to delivered"
    report.checks.append(Check(what, best / 1e6, "M points/s", TARGET / 1e6, at_least=True))
    report.raw = {"without_pause": asdict(burst), "held": asdict(held), "alone": asdict(halves)}
    report.notes.append(
        "log() never waits for the event log. A caller that does nothing else shares the interpreter's lock with the "
        "shipper and may fill the journal; what does not fit is dropped and counted: "
        f"{number(100 * burst.dropped / burst.logged)} % here."
    )
    publish(report, chosen.results, chosen.markdown)


if __name__ == "__main__":
    main()
