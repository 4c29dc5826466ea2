"""Lines of a metric: a bounded number of runs, each at a bounded number of points, no extremum lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from runstream_analytics.filters import Filter
from runstream_analytics.queries.leaderboard import check_known
from runstream_analytics.queries.selection import Selection
from runstream_analytics.reader import Reader
from runstream_analytics.references import Metric, Reference, best_first_descends
from runstream_analytics.render import text

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1


@dataclass(frozen=True)
class Line:
    """One metric of one run, the lowest rank that logged it."""

    metric: str
    run_id: UUID
    name: str
    rank: int
    x: tuple[float, ...]
    """Step, or seconds since the run began, where each bucket begins."""
    last: tuple[float | None, ...]
    """The last finite value of each bucket, None when it has none."""
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    nonfinite_at: float | None
    """Where the first NaN or infinity is, as x."""
    nonfinite: str
    """What it is, empty for none."""


def choose_runs(
    reader: Reader, metric: str, where: Filter, by: Reference | None, reverse: bool, top: int
) -> list[UUID]:
    """The best `top` runs that logged a metric and pass a filter: by a reference (best first), else the newest.

    Raises UserError for names that no run has.
    """
    selection = Selection()
    has_metric = f"{selection.expression(Metric(metric, 'first_step'))} IS NOT NULL"
    condition = selection.condition(where)
    order = "r.started DESC"
    if by is not None:
        direction = "DESC" if best_first_descends(by) != reverse else "ASC"
        order = f"{selection.expression(by, 'number')} {direction} NULLS LAST, {order}"
    sql = (
        f"SELECT r.run_id {selection.source()} WHERE {has_metric} AND ({condition}) "
        f"ORDER BY {order}, r.run_id LIMIT {top:d}"
    )
    found = reader.rows(sql, selection.parameters)
    check_known(reader, [Metric(metric, "last"), *([by] if by else [])])
    return [row[0] for row in found]


def lines_by_step(
    reader: Reader, metric: str, runs: Sequence[UUID], points: int, step_min: int = INT64_MIN, step_max: int = INT64_MAX
) -> list[Line]:
    """The lines of some runs in their order, about `points` buckets each; without those that lack the metric."""
    rows = reader.objects(
        "SELECT run_id, rank, step AS x, last, min, max, first_nonfinite_step AS bad "
        "FROM chart(metric={metric:String}, runs={runs:Array(UUID)}, points={points:UInt32}, "
        "step_min={step_min:Int64}, step_max={step_max:Int64}) ORDER BY run_id, step",
        {"metric": metric, "runs": list(runs), "points": points, "step_min": step_min, "step_max": step_max},
    )
    return _lines(reader, metric, runs, rows)


def lines_by_time(reader: Reader, metric: str, runs: Sequence[UUID], points: int) -> list[Line]:
    """The same over seconds since each run began."""
    rows = reader.objects(
        """
        SELECT
            run_id, rank, min(second) AS x,
            argMaxIf(toNullable(value), (step, time), isFinite(value)) AS last,
            minIf(toNullable(value), isFinite(value)) AS min,
            maxIf(toNullable(value), isFinite(value)) AS max,
            minIf(toNullable(second), NOT isFinite(value)) AS bad
        FROM
        (
            SELECT p.run_id AS run_id, p.rank AS rank, step, time, value, duration_s,
                dateDiff('microsecond', started, time) / 1e6 AS second
            FROM points AS p
            INNER JOIN (SELECT run_id, started, duration_s FROM runs WHERE run_id IN {runs:Array(UUID)}) AS r
                ON r.run_id = p.run_id
            INNER JOIN (SELECT run_id, rank FROM metric_summary
                WHERE metric = {metric:String} AND run_id IN {runs:Array(UUID)}) AS m
                ON m.run_id = p.run_id AND m.rank = p.rank
            WHERE p.metric = {metric:String} AND p.run_id IN {runs:Array(UUID)}
        )
        GROUP BY run_id, rank, toInt64(floor(second * {points:UInt32} / greatest(duration_s, 1e-6)))
        ORDER BY run_id, x
        """,
        {"metric": metric, "runs": list(runs), "points": points},
    )
    return _lines(reader, metric, runs, rows)


def _lines(reader: Reader, metric: str, runs: Sequence[UUID], rows: list[dict[str, Any]]) -> list[Line]:
    about = {
        run_id: (name, value)
        for run_id, name, value in reader.rows(
            "SELECT r.run_id, r.name, m.first_nonfinite_value FROM runs AS r INNER JOIN metric_summary AS m "
            "ON m.run_id = r.run_id WHERE m.metric = {metric:String} AND r.run_id IN {runs:Array(UUID)}",
            {"metric": metric, "runs": list(runs)},
        )
    }
    lines = {}
    for run_id, group in groupby(rows, key=lambda row: row["run_id"]):
        buckets = list(group)
        name, bad = about[run_id]
        lines[run_id] = Line(
            metric=metric,
            run_id=run_id,
            name=name,
            rank=buckets[0]["rank"],
            x=tuple(row["x"] for row in buckets),
            last=tuple(row["last"] for row in buckets),
            low=tuple(row["min"] for row in buckets),
            high=tuple(row["max"] for row in buckets),
            nonfinite_at=min((row["bad"] for row in buckets if row["bad"] is not None), default=None),
            nonfinite="" if bad is None else text.number(float(bad)),
        )
    return [lines[run_id] for run_id in runs if run_id in lines]
