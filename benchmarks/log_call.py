"""What a call of log() costs its caller: back to back, and beside a busy loop; with --peers, other trackers too."""

from __future__ import annotations

import os
import shutil
import statistics
import threading
import time
from dataclasses import asdict
from pathlib import Path

from . import left_behind, loops
from .fresh_process import MeasurementFailed, in_fresh_process
from .offline import go_offline
from .report import Check, Report, Table, half_range, number, options, publish, scratch_directory
from .trackers import BY_NAME, PEERS, RUNSTREAM, Tracker

WIDTHS = (1, 10, 50)
"""Metrics in one call."""
PACE = 1000.0
"""Calls a second beside the busy loop."""
SETTLE_S = 1.5
"""Between the start of a run and the measured window: capturing code and environment happens once, after init."""
WARM_UP_CALLS = 200
FINISH_PATIENCE_S = 60.0
"""How long a run may take to end after the calls back to back."""


def measure_back_to_back(
    name: str, directory: Path, width: int, calls: int, budget_s: float
) -> tuple[loops.CallTimes, int]:
    """The times, and how many points runstream dropped. Runs in a fresh process. No name measures the loop itself."""
    go_offline()
    if not name:
        return loops.back_to_back(loops.nothing, width, calls, budget_s), 0
    tracker = BY_NAME[name].open(directory)
    time.sleep(SETTLE_S)
    warm = loops.back_to_back(tracker.log, width, WARM_UP_CALLS, budget_s / 10)
    times = loops.back_to_back(tracker.log, width, calls, budget_s, first_step=warm.calls)
    # The calls are timed; a tracker that needs minutes to write down a few seconds of them does not hold up the rest.
    ending = threading.Thread(target=tracker.finish, daemon=True)
    ending.start()
    ending.join(FINISH_PATIENCE_S)
    dropped = left_behind.final_status(directory)["dropped"] if name == RUNSTREAM.name else {}
    return times, sum(dropped.values())


def measure_beside_work(name: str, directory: Path, width: int, seconds: float, pairs: int) -> list[list[loops.Paced]]:
    """Pairs of windows, one with a run and one while no run exists, in changing order. Runs in a fresh process."""
    go_offline()
    loops.busy(loops.nothing, width, min(seconds, 0.5), PACE)
    found = []
    for pair in range(pairs):
        windows: dict[bool, loops.Paced] = {}
        for logging in (False, True) if pair % 2 == 0 else (True, False):
            windows[logging] = (
                _window(name, directory / str(pair), width, seconds)
                if logging
                else loops.busy(loops.nothing, width, seconds, PACE)
            )
        found.append([windows[False], windows[True]])
    return found


def _window(name: str, directory: Path, width: int, seconds: float) -> loops.Paced:
    directory.mkdir(parents=True)
    tracker = BY_NAME[name].open(directory)
    time.sleep(SETTLE_S)
    window = loops.busy(tracker.log, width, seconds, PACE)
    tracker.finish()
    time.sleep(SETTLE_S)
    return window


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = options(__doc__ or "")
    parser.add_argument("--peers", action="store_true", help="also measure the peers that are installed here")
    parser.add_argument("--calls", type=int, default=200_000, help="calls back to back, at most")
    parser.add_argument("--budget", type=float, default=10.0, help="seconds for them, at most")
    parser.add_argument("--window", type=float, default=3.0, help="seconds of one window beside the busy loop")
    parser.add_argument("--pairs", type=int, default=7, help="pairs of windows")
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS, help="metrics in one call")
    chosen = parser.parse_args(arguments)
    report = Report("log_call_peers" if chosen.peers else "log_call")
    scratch = scratch_directory(chosen.scratch)
    trackers = [RUNSTREAM]
    for peer in PEERS if chosen.peers else ():
        if peer.missing():
            report.notes.append(f"{peer.name}: skipped, {peer.missing()}.")
        else:
            trackers.append(peer)
    _quiet()
    if not in_fresh_process(go_offline):
        report.notes.append(
            "Without root the network stays reachable: peers were told to leave it alone, not kept from it."
        )
    try:
        _back_to_back(report, trackers, scratch, chosen.widths, chosen.calls, chosen.budget)
        _beside_work(report, trackers, scratch, chosen.window, chosen.pairs)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    report.notes.append(
        "Times include one look at the clock, which the row “nothing” shows. Trackers run in processes without a "
        "network, peers with their local default storage. “Work lost” compares the same loop with a run and while "
        "no run exists, in the same process; the time in log() and the CPU time of the tracker's threads in that "
        "process say how much of it can be the tracker's. “Calls a second” shows who kept up."
    )
    publish(report, chosen.results, chosen.markdown)


def _back_to_back(
    report: Report, trackers: list[Tracker], scratch: Path, widths: list[int], calls: int, budget_s: float
) -> None:
    rows = []
    medians: dict[tuple[str, int], loops.CallTimes] = {}
    for width in widths:
        for name in ["", *(tracker.name for tracker in trackers)]:
            directory = scratch / f"back-to-back-{width}-{name}"
            directory.mkdir()
            try:
                times, dropped = in_fresh_process(
                    measure_back_to_back, name, directory, width, calls, budget_s, timeout_s=20 * budget_s + 60
                )
            except MeasurementFailed as error:
                report.notes.append(f"{name} with {width} metrics, back to back: {error}.")
                continue
            finally:
                shutil.rmtree(directory, ignore_errors=True)
            medians[name, width] = times
            if dropped:
                report.notes.append(f"{name} with {width} metrics, back to back: {dropped:,} points were dropped.")
            ours = medians.get((RUNSTREAM.name, width), times).median
            rows.append(
                (
                    f"{_title(name)}, {metrics(width)}",
                    *map(number, (times.median, times.mean, times.p99, times.p999, times.greatest)),
                    f"{times.calls:,}",
                    number(times.median / ours) if name else "",
                )
            )
    columns = ("back to back", "median µs", "mean µs", "p99 µs", "p99.9 µs", "max µs", "calls", "× runstream")
    report.tables.append(Table("One call of log(), caller's time", columns, rows))
    report.raw["back_to_back"] = [{"tracker": n, "metrics": w, **asdict(t)} for (n, w), t in medians.items()]
    for width, limit in ((1, 0.5), (10, 1.0)):
        if ours_times := medians.get((RUNSTREAM.name, width)):
            report.checks.append(Check(f"log() of {metrics(width)}, median", ours_times.median, "µs", limit))
            report.checks.append(Check(f"log() of {metrics(width)}, p99.9", ours_times.p999, "µs", 20))
    fastest = min(
        (t.median for (n, w), t in medians.items() if w == 10 and n not in ("", RUNSTREAM.name)), default=None
    )
    if fastest is not None and (RUNSTREAM.name, 10) in medians:
        ratio = fastest / medians[RUNSTREAM.name, 10].median
        report.checks.append(Check("fastest peer's median against ours, 10 metrics", ratio, "×", 16, at_least=True))


def _beside_work(report: Report, trackers: list[Tracker], scratch: Path, window_s: float, pairs: int) -> None:
    rows = []
    raw: dict[str, list[float]] = {}
    for tracker in trackers:
        directory = scratch / f"paced-{tracker.name}"
        directory.mkdir()
        try:
            found = in_fresh_process(
                measure_beside_work,
                tracker.name,
                directory,
                10,
                window_s,
                pairs,
                timeout_s=pairs * (10 * window_s + 60),
            )
        except MeasurementFailed as error:
            report.notes.append(f"{tracker.name}, beside a busy loop: {error}.")
            continue
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        slower = sorted(100 * (1 - with_run.rate / without.rate) for without, with_run in found)
        calls = [with_run.times for _, with_run in found if with_run.times]
        median = statistics.median(slower)
        raw[tracker.name] = slower
        rows.append(
            (
                _title(tracker.name),
                f"{number(median)} %",
                f"{number(slower[0])} … {number(slower[-1])}",
                f"{number(statistics.median(100 * w.in_calls_s / w.seconds for _, w in found))} %",
                f"{number(statistics.median(100 * w.others_cpu_s / w.seconds for _, w in found))} %",
                *(
                    number(statistics.median(values))
                    for values in zip(*((c.median, c.p99, c.p999) for c in calls), strict=True)
                ),
                f"{statistics.median(c.calls / c.seconds for c in calls):,.0f}",
            )
        )
        if tracker is RUNSTREAM:
            what = "slow-down of a busy loop, 10 metrics 1,000 times a second"
            report.checks.append(Check(what, median, "%", 1, spread=half_range(slower)))
            paced = statistics.median(c.p999 for c in calls)
            report.checks.append(Check("log() of 10 metrics beside the busy loop, p99.9", paced, "µs", 20))
    columns = (
        *("beside a busy loop", "work lost, median", "all pairs, %", "in log()", "other threads' CPU"),
        *("median µs", "p99 µs", "p99.9 µs", "calls a second"),
    )
    title = f"A busy loop that logs 10 metrics {PACE:,.0f} times a second, {pairs} pairs of windows of {window_s:g} s"
    report.tables.append(Table(title, columns, rows))
    report.raw["slow_down_percent"] = raw


def metrics(width: int) -> str:
    """So many metrics, in words."""
    return "1 metric" if width == 1 else f"{width} metrics"


def _title(name: str) -> str:
    if not name:
        return "nothing"
    return f"{name} {BY_NAME[name].version}"


def _quiet() -> None:
    """Children inherit it: no settings of the user's decide what is measured."""
    for name in [name for name in os.environ if name.startswith("RUNSTREAM_")]:
        del os.environ[name]


if __name__ == "__main__":
    main()
