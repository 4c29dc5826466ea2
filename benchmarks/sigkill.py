"""Points that can be recovered after SIGKILL of the trainer at a random moment; with --peers, other trackers too."""

from __future__ import annotations

import mmap
import multiprocessing
import random
import shutil
import struct
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from . import loops
from .fresh_process import MeasurementFailed, in_fresh_process, silence
from .offline import go_offline
from .report import Check, Report, Table, number, options, publish, scratch_directory
from .trackers import BY_NAME, PEERS, RUNSTREAM

WIDTH = 10
"""Metrics in one call."""
PACE = 1000.0
"""Calls a second: every tracker but MLflow's synchronous one keeps up with it."""
START_PATIENCE_S = 60.0
CONTROL_CALLS = 300
_COUNTER = struct.Struct("<Q")


@dataclass(frozen=True)
class Trial:
    """One killed process."""

    after_s: float
    """From its first call to the kill."""
    logged: int
    """Points of calls that had returned. One more call may have been on its way."""
    recovered: int


def trial(name: str, directory: Path, after_s: float) -> Trial:
    """Start a process that logs, kill it, and count what its tracker can still find."""
    data = directory / "data"
    data.mkdir(parents=True)
    counter = directory / "returned"
    counter.write_bytes(bytes(_COUNTER.size))
    process = multiprocessing.get_context("spawn").Process(target=_log_until_killed, args=(name, data, counter))
    process.start()
    try:
        deadline = time.monotonic() + START_PATIENCE_S
        while not _returned(counter):
            if not process.is_alive() or time.monotonic() > deadline:
                raise MeasurementFailed(f"{name} did not begin to log")
            time.sleep(0.005)
        time.sleep(after_s)
    finally:
        process.kill()
        process.join()
    logged = _returned(counter) * WIDTH
    return Trial(after_s, logged, in_fresh_process(_recover, name, data, timeout_s=120))


def control(name: str, directory: Path) -> str:
    """Why losses of a tracker cannot be told here, empty if they can: after a normal end all must be found."""
    directory.mkdir(parents=True)
    in_fresh_process(_log_and_finish, name, directory, timeout_s=START_PATIENCE_S)
    found = in_fresh_process(_recover, name, directory, timeout_s=120)
    expected = CONTROL_CALLS * WIDTH
    return "" if found == expected else f"after a normal end its reader finds {found:,} of {expected:,} points"


def _log_and_finish(name: str, directory: Path) -> None:
    go_offline()
    tracker = BY_NAME[name].open(directory)
    loops.back_to_back(tracker.log, WIDTH, CONTROL_CALLS, START_PATIENCE_S)
    tracker.finish()


def _log_until_killed(name: str, directory: Path, counter: Path) -> None:
    silence()
    go_offline()
    tracker = BY_NAME[name].open(directory)
    source = loops.rows(WIDTH)
    with counter.open("r+b") as file:
        # The kernel keeps what is written here when the process dies.
        returned = mmap.mmap(file.fileno(), _COUNTER.size)
    due = time.perf_counter()
    step = 0
    while True:
        tracker.log(source[step % loops.VARIANTS], step)
        step += 1
        _COUNTER.pack_into(returned, 0, step)
        due += 1 / PACE
        time.sleep(max(0.0, due - time.perf_counter()))


def _returned(counter: Path) -> int:
    found: int = _COUNTER.unpack(counter.read_bytes())[0]
    return found


def _recover(name: str, directory: Path) -> int:
    go_offline()
    return BY_NAME[name].recover(directory)


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = options(__doc__ or "")
    parser.add_argument("--peers", action="store_true", help="also measure the peers that are installed here")
    parser.add_argument("--trials", type=int, default=10, help="processes to kill, for each tracker")
    parser.add_argument("--longest", type=float, default=3.0, help="seconds of logging, at most, before the kill")
    parser.add_argument("--seed", type=int, default=1, help="of the random moments")
    chosen = parser.parse_args(arguments)
    report = Report("sigkill_peers" if chosen.peers else "sigkill")
    scratch = scratch_directory(chosen.scratch)
    rows = []
    for tracker in (RUNSTREAM, *(PEERS if chosen.peers else ())):
        if tracker.missing():
            report.notes.append(f"{tracker.name}: skipped, {tracker.missing()}.")
            continue
        moments = random.Random(chosen.seed)
        try:
            if trouble := control(tracker.name, scratch / tracker.name / "control"):
                raise MeasurementFailed(f"not measured, {trouble}")
            trials = [
                trial(tracker.name, scratch / tracker.name / str(n), moments.uniform(0.05, chosen.longest))
                for n in range(chosen.trials)
            ]
        except MeasurementFailed as error:
            report.notes.append(f"{tracker.name}: {error}.")
            continue
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        lost = [max(0, t.logged - t.recovered) for t in trials]
        logged = sum(t.logged for t in trials)
        rows.append(
            (
                f"{tracker.name} {tracker.version}",
                f"{len(trials)}",
                f"{logged:,}",
                f"{sum(lost):,}",
                f"{100 * sum(lost) / logged:.1f} %",
                f"{max(lost):,}",
            )
        )
        report.raw[tracker.name] = [asdict(t) for t in trials]
        if tracker is RUNSTREAM:
            report.checks.append(Check("points lost by SIGKILL of the trainer", sum(lost), "points", 0))
    columns = ("", "processes killed", "points logged", "points lost", "share lost", "most in one process")
    pace = f"{WIDTH} metrics, {PACE:,.0f} calls a second, killed after {number(0.05)} to {number(chosen.longest)} s"
    report.tables.append(Table(f"Logged before SIGKILL and not recovered: {pace}", columns, rows))
    report.notes.append(
        f"First each tracker had to give back all {CONTROL_CALLS * WIDTH:,} points of a run that ended normally. "
        "One that did not is left out, since its losses could be the reader's."
    )
    publish(report, chosen.results, chosen.markdown)


if __name__ == "__main__":
    main()
