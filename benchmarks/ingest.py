"""How fast a log directory goes into the embedded store, merges included, and how many bytes a point takes there."""

from __future__ import annotations

import resource
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .fresh_process import in_fresh_process
from .report import Check, Report, Table, number, options, publish, scratch_directory

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

RATE_TARGET = 3e6
"""Points a second at 100 log calls a message."""
BYTES_TARGETS = {True: 6.0, False: 10.0}
"""Bytes a point with rollups, for float32-born values and for doubles."""
POINT_TABLES = ("point", "rollup_16", "rollup_coarse", "series", "batch", "life")
MERGE_PATIENCE_S = 120.0
QUIET_S = 1.0
"""So long without a merge means that there is nothing left to merge for now."""
FULL_POINTS = 10_000_000


@dataclass(frozen=True)
class Loading:
    """What loading one log directory into an empty store took."""

    points: int
    log_bytes: int
    load_s: float
    """Until the last insert returned; merges ran beside it."""
    settled_s: float
    """Until the merges that it caused were done."""
    peak_mib: float
    """Resident memory of the process at its greatest, the engine included."""
    before: dict[str, int]
    """Bytes on disk by table before OPTIMIZE …"""
    parts: int
    after: dict[str, int]
    """… and after it."""
    columns: dict[str, int]
    """Bytes of the columns of table point after it."""
    optimize_s: float


def load(directory: Path, runs: int, metrics: int, steps: int, calls_per_message: int, float32: bool) -> Loading:
    """Write a log directory and load it; runs in a fresh process."""
    from runstream_ingest.store import load_new, open_store
    from runstream_schemas import settings

    from . import made_up_runs

    shape = made_up_runs.Shape(runs, metrics, steps, calls_per_message, float32)
    log_bytes = made_up_runs.write(directory / "log", shape)
    with open_store(settings.load(dir=directory, environ={}, cwd=directory)) as store:
        began = time.perf_counter()
        loaded = load_new(store, [directory / "log"])
        load_s = time.perf_counter() - began
        if loaded.points != shape.points or loaded.dead_letters:
            raise RuntimeError(
                f"{loaded.points} of {shape.points} points were loaded, {loaded.dead_letters} dead letters"
            )
        settled_s = load_s + _wait_for_merges(store.client)
        before = bytes_on_disk(store.client)
        parts = store.client.query("SELECT count() FROM system.parts WHERE active AND database = currentDatabase()")
        began = time.perf_counter()
        for table in POINT_TABLES:
            store.client.command(f"OPTIMIZE TABLE {table} FINAL")
        optimize_s = time.perf_counter() - began
        return Loading(
            shape.points,
            log_bytes,
            load_s,
            settled_s,
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            before,
            parts.result_rows[0][0],
            bytes_on_disk(store.client),
            _column_bytes(store.client),
            optimize_s,
        )


def bytes_on_disk(client: Client) -> dict[str, int]:
    """Bytes of the active parts of the tables that grow with points."""
    found = client.query(
        "SELECT table, sum(bytes_on_disk) FROM system.parts "
        "WHERE active AND database = currentDatabase() GROUP BY table"
    ).result_rows
    return {table: size for table, size in found if table in POINT_TABLES}


def _column_bytes(client: Client) -> dict[str, int]:
    found = client.query(
        "SELECT column, sum(column_bytes_on_disk) FROM system.parts_columns "
        "WHERE active AND database = currentDatabase() AND table = 'point' GROUP BY column"
    ).result_rows
    return {row[0]: row[1] for row in found}


def _wait_for_merges(client: Client) -> float:
    """Seconds until the last merge ended."""
    began = quiet_since = time.perf_counter()
    while time.perf_counter() - quiet_since < QUIET_S and time.perf_counter() - began < MERGE_PATIENCE_S:
        if client.query("SELECT count() FROM system.merges").result_rows[0][0]:
            quiet_since = time.perf_counter()
        time.sleep(0.05)
    return quiet_since - began


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = options(__doc__ or "")
    parser.add_argument("--points", type=int, default=FULL_POINTS, help="points in each log directory")
    parser.add_argument("--metrics", type=int, default=10, help="metrics in one call")
    parser.add_argument("--runs", type=int, default=20, help="runs in each log directory")
    parser.add_argument("--calls-per-message", type=int, nargs="+", default=(10, 100, 1000), help="calls in a message")
    chosen = parser.parse_args(arguments)
    report = Report("ingest")
    scratch = scratch_directory(chosen.scratch)
    steps = max(1, chosen.points // chosen.runs // chosen.metrics)
    settings = [(calls, True) for calls in chosen.calls_per_message] + [(100, False)]
    loadings: dict[tuple[int, bool], Loading] = {}
    try:
        for calls, float32 in settings:
            directory = scratch / f"{calls}-{float32}"
            loadings[calls, float32] = in_fresh_process(
                load, directory, chosen.runs, chosen.metrics, steps, calls, float32, timeout_s=1800
            )
            shutil.rmtree(directory)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    _tables(report, loadings)
    _checks(report, loadings, full=chosen.points >= FULL_POINTS)
    report.raw = {_title(*key): asdict(loading) for key, loading in loadings.items()}
    report.notes.append(
        f"Each row: a log directory of {chosen.runs} runs × {steps:,} calls × {chosen.metrics} metrics. "
        "“Until merged” ends when no merge has run for a second. Made-up losses: an exponential with noise in every "
        "mantissa bit, steps of 50 ± 2 ms; smoother or repeated values take less."
    )
    publish(report, chosen.results, chosen.markdown)


def _title(calls: int, float32: bool) -> str:
    return f"{calls}, {'float32-born' if float32 else 'doubles'}"


def _tables(report: Report, loadings: dict[tuple[int, bool], Loading]) -> None:
    speed, space = [], []
    for key, loading in loadings.items():

        def per_point(size: int, points: int = loading.points) -> str:
            return number(size / points)

        speed.append(
            (
                _title(*key),
                f"{loading.points / loading.load_s / 1e6:.2f}",
                f"{loading.points / loading.settled_s / 1e6:.2f}",
                per_point(loading.log_bytes),
                f"{loading.peak_mib:,.0f}",
            )
        )
        space.append(
            (
                _title(*key),
                *(per_point(loading.columns.get(column, 0)) for column in ("value", "time", "step")),
                *(per_point(loading.after.get(table, 0)) for table in ("point", "rollup_16", "rollup_coarse")),
                per_point(sum(loading.after.values())),
                per_point(sum(loading.before.values())),
                f"{loading.parts}",
            )
        )
    first = "log calls a message"
    columns = (first, "M points/s until loaded", "M points/s until merged", "bytes a point in the log", "peak MiB")
    report.tables.append(Table("Log directory → chDB: raw points, rollups, summaries", columns, speed))
    tables = ("value", "time", "step", "raw points", "rollup_16", "rollup_coarse", "all", "all before", "parts before")
    report.tables.append(Table("Bytes per point in the store after OPTIMIZE", (first, *tables), space))


def _checks(report: Report, loadings: dict[tuple[int, bool], Loading], *, full: bool) -> None:
    for float32, limit in BYTES_TARGETS.items():
        loading = loadings.get((100, float32))
        if loading is None:
            continue
        if float32:
            rate = loading.points / loading.settled_s / 1e6
            what = "log directory → store, 100 calls a message, until merged"
            report.checks.append(Check(what, rate, "M points/s", RATE_TARGET / 1e6, at_least=True, comparable=full))
        total = sum(loading.after.values()) / loading.points
        what = f"storage with rollups, {'float32-born values' if float32 else 'doubles'}"
        report.checks.append(Check(what, total, "bytes/point", limit, comparable=full))


if __name__ == "__main__":
    main()
