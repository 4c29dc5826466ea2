"""How long the queries behind charts and leaderboards take on a large store: merged, and while data arrives."""

from __future__ import annotations

import shutil
import statistics
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from . import many_runs
from .ingest import POINT_TABLES, bytes_on_disk
from .many_runs import DENSE_RUN, SPARSE_RUN, Size
from .report import Check, Report, Table, number, options, publish, scratch_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clickhouse_connect.driver.client import Client

LIVE_RUNS = 100
"""Runs that log in the live part: each second they insert 10 steps of 8 metrics."""
CHART_POINTS = 500
SETTLE_S = 2.0
"""Inserts come this long before the first query beside them."""
WHOLE = f"step_min={-(2**63)}, step_max={2**63 - 1}"


@dataclass(frozen=True)
class Query:
    """One question to the store."""

    what: str
    sql: str
    target_ms: float | None = None


@dataclass
class Answer:
    """What one question took, in ms, until the answer's bytes are here; no Python objects are made of them."""

    rows: int
    plan_ms: float
    """Analysing the query, the views in it and their scalar subqueries, before any row of the rest is read."""
    merged: list[float]
    live: list[float] = field(default_factory=list)


def queries(size: Size) -> list[Query]:
    """What is asked; the ids are those of many_runs."""
    chosen = ", ".join(f"'{run}'" for run in many_runs.run_ids(size.wide_runs))
    one = many_runs.run_ids(7)[6]
    few = ", ".join(f"'{run}'" for run in many_runs.run_ids(50))

    def chart(metric: str, runs: str, points: int = CHART_POINTS, span: str = WHOLE) -> str:
        return (
            f"SELECT run_id, step, last, min, max FROM chart(metric='{metric}', runs=[{runs}], points={points}, {span})"
        )

    number_of_runs = f"{size.wide_runs:,} runs × {CHART_POINTS} points"
    return [
        Query(f"chart: a metric that {number_of_runs} log", chart("val/loss", ""), 100),
        Query(f"chart: {number_of_runs}, chosen of {size.runs:,}", chart("train/loss", chosen), 100),
        Query("chart: 50 chosen runs × 500 points", chart("train/loss", few)),
        Query(
            f"percentile band over {size.runs:,} runs",
            f"SELECT * FROM chart_band(metric='train/loss', runs=[], points={CHART_POINTS}, {WHOLE})",
            300,
        ),
        Query(
            f"leaderboard: last and min of {size.runs:,} runs, the best 100",
            "SELECT run_id, last, min, min_step FROM metric_summary WHERE metric = 'train/loss' ORDER BY min LIMIT 100",
            50,
        ),
        Query(
            "… with names and states",
            "SELECT r.name, r.state, m.last, m.min FROM runs AS r "
            "INNER JOIN (SELECT run_id, last, min FROM metric_summary WHERE metric = 'train/loss') AS m "
            "ON m.run_id = r.run_id ORDER BY m.min LIMIT 100",
        ),
        Query(f"runs: all {size.runs:,}", "SELECT * FROM runs"),
        Query(
            "points of one series",
            f"SELECT step, time, value FROM points WHERE metric = 'train/loss' AND run_id = '{one}'",
        ),
        Query(f"chart: one series of {size.dense_steps:,} steps", chart("long/dense", f"'{DENSE_RUN}'", 2000)),
        Query(
            "… zoomed to 2,000 of them",
            chart("long/dense", f"'{DENSE_RUN}'", 2000, f"step_min=5000, step_max={5000 + 1999}"),
        ),
        Query("chart: one series of 10^5 steps, 10^4 apart", chart("long/sparse", f"'{SPARSE_RUN}'", 2000)),
        Query("verify one run", f"SELECT * FROM ledger WHERE run_id = '{one}'"),
        Query("verify all runs", "SELECT * FROM ledger"),
    ]


def ask(client: Client, query: Query, times: int) -> Answer:
    """Ask a merged store."""
    took = [_ms(client, query.sql) for _ in range(times)]
    plan_ms = statistics.median(_ms(client, f"EXPLAIN {query.sql}") for _ in range(min(times, 5)))
    rows = client.query(f"SELECT count() FROM ({query.sql})").result_rows[0][0]
    return Answer(rows, plan_ms, took)


def _ms(client: Client, sql: str) -> float:
    began = time.perf_counter()
    client.raw_query(sql, fmt="Native")
    return 1e3 * (time.perf_counter() - began)


class OneInsertASecond:
    """A thread that does what the worker does beside the queries: it renews the findings of live runs as well."""

    def __init__(self, client: Client, size: Size) -> None:
        self._client = client
        self.runs = max(1, min(LIVE_RUNS, size.wide_runs // 4))
        self._start = many_runs.month_starts(datetime.now(UTC))[3]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.seconds: list[float] = []
        """What each insert took."""
        self.renewals: list[float] = []
        """What each renewal of findings took."""
        self.error = ""

    def __enter__(self) -> OneInsertASecond:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        from runstream_ingest.findings import renew
        from runstream_ingest.renewal import RENEW_EVERY_S

        second = 0
        try:
            while not self._stop.wait(1.0):
                began = time.perf_counter()
                sql = many_runs.live_insert(0, self.runs, second, self._start)
                self._client.command(sql, settings=many_runs.BULK)
                self.seconds.append(time.perf_counter() - began)
                second += 1
                if second % RENEW_EVERY_S == 0:
                    began = time.perf_counter()
                    renew(self._client, 0)  # all others were stored a moment ago as well
                    self.renewals.append(time.perf_counter() - began)
        except Exception as error:
            self.error = f"{error!r:.300}"


def measure(report: Report, directory: Path, size: Size, times: int, say: Callable[[str], None]) -> None:
    """Build, ask, and put it all into the report."""
    from runstream_ingest.findings import renew
    from runstream_ingest.store import open_store
    from runstream_schemas import settings

    with open_store(settings.load(dir=directory, environ={}, cwd=directory)) as store:
        client = store.client
        began = time.perf_counter()
        many_runs.build(client, size, lambda done: say(f"{done / 1e6:,.0f} of {size.points / 1e6:,.0f} M points"))
        built_s = time.perf_counter() - began
        began = time.perf_counter()
        say("merging")
        for table in (*POINT_TABLES, "run"):
            client.command(f"OPTIMIZE TABLE {table} FINAL")
        merged_s = time.perf_counter() - began
        say("renewing the findings")
        began = time.perf_counter()
        renewed = renew(client, 0)
        renewed_s = time.perf_counter() - began
        stored = client.query("SELECT count() FROM point").result_rows[0][0]
        size_now = sum(bytes_on_disk(client).values())
        report.notes.append(
            f"{stored:,} points of {size.runs + 2:,} runs made in {built_s:.0f} s "
            f"({size.points / built_s / 1e6:.1f} M points/s, merges beside it), "
            f"merged completely in {merged_s:.0f} s more; {size_now / stored:.2f} bytes per point. "
            f"Findings of {renewed:,} runs for the first time in {renewed_s:.1f} s."
        )
        asked = queries(size)
        answers: dict[str, Answer] = {}
        for query in asked:
            say(f"merged: {query.what}")
            with _failures_in(report, query):
                answers[query.what] = ask(client, query, times)
        writer = store.connect()
        with OneInsertASecond(writer, size) as inserts:
            time.sleep(SETTLE_S)
            for query in asked:
                say(f"live: {query.what}")
                with _failures_in(report, query):
                    live = [_ms(client, query.sql) for _ in range(times)]
                    if answer := answers.get(query.what):
                        answer.live = live
        writer.close()
        if inserts.error:
            report.notes.append(f"the inserts beside the queries stopped: {inserts.error}")
        elif inserts.seconds:
            report.notes.append(
                f"Live: an insert a second of {inserts.runs} runs × 80 points, {len(inserts.seconds)} of them, each "
                f"taking {number(1e3 * statistics.median(inserts.seconds))} ms (median) beside the queries; "
                f"{len(inserts.renewals)} renewals of findings, each taking "
                f"{number(1e3 * statistics.median(inserts.renewals or [0.0]))} ms."
            )
    _tables(report, asked, answers, comparable=size.points >= 0.9 * many_runs.FULL_POINTS)


@contextmanager
def _failures_in(report: Report, query: Query) -> Iterator[None]:
    """One query that the engine refuses is told in the report, and the others go on."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    try:
        yield
    except ClickHouseError as error:
        report.notes.append(f"{query.what}: failed, {str(error).splitlines()[0]:.200}")


def _tables(report: Report, asked: list[Query], answers: dict[str, Answer], *, comparable: bool) -> None:
    rows = []
    for query in asked:
        answer = answers.get(query.what)
        if answer is None or not answer.live:
            continue
        merged, live = statistics.median(answer.merged), statistics.median(answer.live)
        rows.append(
            (
                query.what,
                f"{answer.rows:,}",
                *map(number, (answer.merged[0], answer.plan_ms, merged, live, max(answer.live))),
                f"≤ {number(query.target_ms)}" if query.target_ms else "",
            )
        )
        if query.target_ms:
            for when, median in (("merged", merged), ("live", live)):
                what = f"{query.what}, {when}, median"
                report.checks.append(Check(what, median, "ms", query.target_ms, comparable=comparable))
        report.raw[query.what] = asdict(answer)
    columns = (
        *("query", "rows", "merged, first ms", "planning, ms", "merged, median ms", "live, median ms", "live, max ms"),
        "target ms",
    )
    report.tables.append(Table("Until the answer's bytes are in the client", columns, rows))


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = options(__doc__ or "")
    parser.add_argument("--points", type=int, default=many_runs.FULL_POINTS, help="points in the store, about")
    parser.add_argument("--times", type=int, default=15, help="how often each query is asked")
    chosen = parser.parse_args(arguments)
    report = Report("queries")
    scratch = scratch_directory(chosen.scratch)

    def say(text: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    try:
        measure(report, scratch, many_runs.size_for(chosen.points), chosen.times, say)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    say("")
    publish(report, chosen.results, chosen.markdown)


if __name__ == "__main__":
    main()
