"""How long every panel of every dashboard waits for the store, on 10,000 runs."""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import many_runs
from .ingest import POINT_TABLES
from .many_runs import Size
from .report import Check, Report, Table, number, options, publish, scratch_directory

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

ROOT = Path(__file__).parent.parent
# Variables are expanded by the tests' own expander.
sys.path.insert(0, str(ROOT / "tests" / "dashboards"))

CHOSEN_RUNS = 50
TARGETS_MS = {"Runs · Leaderboard": 50.0, "Fleet · ": 300.0, "Compare · $metric (trend)": 100.0}
"""Of DESIGN's kinds of queries: leaderboards, bands over all runs, charts."""


class OpenStore:
    """The store of this process, as the tests' expander asks."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.known: dict[str, list[str]] = {}

    def ask(self, sql: str) -> Any:
        """Rows with names and types."""
        from engine import Answer

        found = self._client.query(sql)
        types = [kind.name for kind in found.column_types]
        return Answer(list(found.column_names), types, [list(row) for row in found.result_rows])

    def took_ms(self, sql: str) -> float:
        """Until the bytes of the answer are here."""
        began = time.perf_counter()
        self._client.raw_query(sql, fmt="Native")
        return 1e3 * (time.perf_counter() - began)


def measure(report: Report, directory: Path, size: Size, times: int) -> None:
    """Build, ask, and put it all into the report."""
    from asking import sent
    from pages import queries

    from runstream_ingest.findings import renew
    from runstream_ingest.store import open_store
    from runstream_schemas import settings

    with open_store(settings.load(dir=directory, environ={}, cwd=directory)) as opened:
        many_runs.build(opened.client, size, lambda done: None)
        for table in (*POINT_TABLES, "run"):
            opened.client.command(f"OPTIMIZE TABLE {table} FINAL")
        renew(opened.client, 0)
        store = OpenStore(opened.client)
        runs = many_runs.run_ids(CHOSEN_RUNS)
        rows = []
        for query in queries():
            sql = sent(query, store, **_fitting(query.page, {"run": runs, "metric": ["train/loss"]}))
            count = len(store.ask(sql).rows)
            took = [store.took_ms(sql) for _ in range(times)]
            median = statistics.median(took)
            rows.append((str(query), f"{count:,}", number(took[0]), number(median), number(max(took))))
            report.raw[str(query)] = {"rows": count, "ms": took}
            target = next((ms for name, ms in TARGETS_MS.items() if str(query).startswith(name)), None)
            if target:
                comparable = size.points >= 0.9 * many_runs.FULL_POINTS
                report.checks.append(Check(f"{query}, median", median, "ms", target, comparable=comparable))
    report.tables.append(Table("Panels", ("page · panel", "rows", "first, ms", "median, ms", "max, ms"), rows))
    report.notes.append(
        f"{size.runs:,} runs, {size.points:,} points, merged; {CHOSEN_RUNS} runs are chosen where a page takes several."
    )


def _fitting(page: str, chosen: dict[str, list[str]]) -> dict[str, Any]:
    """The same values, and only the first where the page's variable takes one."""
    from asking import multi

    return {name: values if multi(page, name) else values[0] for name, values in chosen.items()}


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = options(__doc__ or "")
    parser.add_argument("--points", type=int, default=many_runs.FULL_POINTS, help="points in the store, about")
    parser.add_argument("--times", type=int, default=5, help="how often each query is asked")
    chosen = parser.parse_args(arguments)
    report = Report("panels")
    scratch = scratch_directory(chosen.scratch)
    try:
        measure(report, scratch, many_runs.size_for(chosen.points), chosen.times)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    publish(report, chosen.results, chosen.markdown)


if __name__ == "__main__":
    main()
