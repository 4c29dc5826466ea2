"""What beginning and ending a run costs, and many short runs, as a sweep makes them, with their way into the store."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from .fresh_process import in_fresh_process
from .report import Check, Report, Table, half_range, number, options, publish, scratch_directory

LIMITS_MS = {"import runstream": 150.0, "init": 50.0, "finish": 100.0}

SHORT_RUN = """
import sys, time
directory, seconds, tracked = sys.argv[1], float(sys.argv[2]), sys.argv[3] == "tracked"
t0 = time.perf_counter()
import runstream
t1 = time.perf_counter()
mode = None if tracked else "disabled"
run = runstream.init("sweep", config={"lr": 0.1, "layers": [64, 64]}, dir=directory, mode=mode)
t2 = time.perf_counter()
end = t2 + seconds
step = 0
while time.perf_counter() < end:
    run.log({"train/loss": 1.0 / (step + 1), "lr": 0.1}, step)
    step += 1
    time.sleep(0.01)
t3 = time.perf_counter()
run.finish()
t4 = time.perf_counter()
print(t1 - t0, t2 - t1, t4 - t3, step)
"""
"""A process of a sweep: it prints the seconds of import, init and finish, and its calls of log."""


@dataclass(frozen=True)
class ShortRun:
    """One process that made one run."""

    import_s: float
    init_s: float
    finish_s: float
    calls: int
    wall_s: float
    """Of the whole process, as its parent sees it."""


@dataclass(frozen=True)
class Kept:
    """What the store has of the runs."""

    runs: int
    complete: int
    """Runs whose ledger adds up."""
    open_s: float
    """Making the store: all its tables and views."""
    load_s: float


def short_run(directory: Path, seconds: float, tracked: bool = True) -> ShortRun:
    """Start a process and wait for it. Raises subprocess.CalledProcessError when it fails."""
    began = time.perf_counter()
    command = [sys.executable, "-c", SHORT_RUN, str(directory), str(seconds), "tracked" if tracked else "disabled"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    wall_s = time.perf_counter() - began
    import_s, init_s, finish_s, calls = output.split()
    return ShortRun(float(import_s), float(init_s), float(finish_s), int(calls), wall_s)


def runs_in_a_row(directory: Path, runs: int, seconds: float) -> list[tuple[float, float]]:
    """Seconds of init and finish of runs that one process makes one after the other; runs in a fresh process."""
    import runstream

    found = []
    for _ in range(runs):
        began = time.perf_counter()
        run = runstream.init("in-a-row", dir=directory)
        begun = time.perf_counter()
        while time.perf_counter() < begun + seconds:
            run.log({"train/loss": 0.5})
            time.sleep(0.01)
        ending = time.perf_counter()
        run.finish()
        found.append((begun - began, time.perf_counter() - ending))
    return found


def load(directory: Path) -> Kept:
    """Load the log into a store and check every ledger; runs in a fresh process."""
    from runstream_ingest.store import load_new, open_store
    from runstream_schemas import settings

    began = time.perf_counter()
    with open_store(settings.load(dir=directory, environ={}, cwd=directory)) as store:
        open_s = time.perf_counter() - began
        load_new(store, [directory / "log"])
        load_s = time.perf_counter() - began - open_s
        verdicts = [row[0] for row in store.client.query("SELECT verdict FROM ledger").result_rows]
    return Kept(len(verdicts), verdicts.count("complete"), open_s, load_s)


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = options(__doc__ or "")
    parser.add_argument("--runs", type=int, default=60, help="processes that make one short run each")
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds that each of these runs logs")
    parser.add_argument("--at-once", type=int, default=8, help="how many of them at the same time")
    parser.add_argument("--alone", type=int, default=15, help="processes one after the other, nothing else running")
    parser.add_argument("--in-a-row", type=int, default=30, help="runs that one process makes")
    chosen = parser.parse_args(arguments)
    report = Report("lifecycle")
    scratch = scratch_directory(chosen.scratch)
    try:
        alone = [short_run(scratch / "alone", 0.3) for _ in range(chosen.alone)]
        row = in_fresh_process(runs_in_a_row, scratch / "row", chosen.in_a_row, 0.1)
        swept, wall_s = _sweep(scratch / "sweep", chosen.runs, chosen.seconds, chosen.at_once, tracked=True)
        untracked, untracked_s = _sweep(scratch / "none", chosen.runs, chosen.seconds, chosen.at_once, tracked=False)
        kept = in_fresh_process(load, scratch / "sweep")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    ms = {
        "import runstream": [1e3 * run.import_s for run in alone],
        "init": [1e3 * run.init_s for run in alone],
        "finish": [1e3 * run.finish_s for run in alone],
        "init, later runs of one process": [1e3 * init for init, _ in row[1:]],
        "finish, later runs of one process": [1e3 * finish for _, finish in row[1:]],
        f"init, {chosen.at_once} processes at once": [1e3 * run.init_s for run in swept],
        f"finish, {chosen.at_once} processes at once": [1e3 * run.finish_s for run in swept],
    }
    report.tables.append(
        Table(
            "Caller's time",
            ("", "median ms", "p95 ms", "max ms", "of"),
            [(what, *map(number, _summary(values)), f"{len(values)}") for what, values in ms.items() if values],
        )
    )
    for what, limit in LIMITS_MS.items():
        report.checks.append(
            Check(f"{what}, median", statistics.median(ms[what]), "ms", limit, spread=half_range(ms[what]))
        )
    title = f"{chosen.runs:,} runs of {chosen.seconds:g} s, a process each, {chosen.at_once} at once"
    report.tables.append(
        Table(
            title,
            ("", "wall time s", "a process, median s", "calls of log()"),
            [
                (
                    what,
                    f"{wall:.1f}",
                    f"{statistics.median(r.wall_s for r in runs):.2f}",
                    f"{sum(r.calls for r in runs):,}",
                )
                for what, wall, runs in (
                    ("tracked", wall_s, swept),
                    ("RUNSTREAM_MODE=disabled", untracked_s, untracked),
                )
            ],
        )
    )
    report.notes.append(
        f"Tracking took {1e3 * (wall_s - untracked_s) / chosen.runs:.0f} ms of wall time a run. Loading the log of "
        f"these {kept.runs:,} runs took {kept.load_s:.2f} s after {kept.open_s:.2f} s for making the store; "
        f"{kept.complete:,} ledgers are complete."
    )
    report.checks.append(
        Check("runs whose ledger is complete", 100 * kept.complete / max(1, chosen.runs), "%", 100, at_least=True)
    )
    report.raw = {
        "ms": ms,
        "sweep": [asdict(run) for run in swept],
        "sweep_wall_s": wall_s,
        "untracked_wall_s": untracked_s,
        "kept": asdict(kept),
    }
    publish(report, chosen.results, chosen.markdown)


def _sweep(directory: Path, runs: int, seconds: float, at_once: int, *, tracked: bool) -> tuple[list[ShortRun], float]:
    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        found = list(pool.map(lambda _: short_run(directory, seconds, tracked), range(runs)))
    return found, time.perf_counter() - began


def _summary(values: Sequence[float]) -> tuple[float, float, float]:
    ordered = sorted(values)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], ordered[-1]


if __name__ == "__main__":
    main()
