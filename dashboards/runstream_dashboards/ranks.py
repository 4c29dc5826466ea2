"""The page Ranks: how the ranks of one run differ."""

from __future__ import annotations

from grafana_foundation_sdk.builders import heatmap, table, trend
from grafana_foundation_sdk.models.dashboard import Dashboard

from runstream_dashboards import heat_maps, step_charts, variables
from runstream_dashboards.look import STATE_COLOURS
from runstream_dashboards.page import page
from runstream_dashboards.panels import Column, sql_table
from runstream_dashboards.values import POINTS, ZOOM, one, run

MOST_RANKS = 64
"""Lines of one panel; ranks beyond it are in the band and in the table."""

PARAMETERS = f"metric = {one('metric')}, run = {run()}, points = {POINTS}, {ZOOM}"

LINES = f"""
    SELECT
        ifNull(c.step, 0) AS step, if(isNull(c.step), 'no rank has it', concat('rank ', toString(c.rank))) AS rank_name,
        c.last AS value
    FROM (SELECT 1 AS joined) AS once
    LEFT JOIN
    (
        SELECT 1 AS joined, toNullable(step) AS step, rank, last
        FROM chart_by_rank({PARAMETERS}) WHERE rank < {MOST_RANKS}
    ) AS c ON c.joined = once.joined
    ORDER BY c.rank, step LIMIT 25000
"""

BAND = f"""
    SELECT c.step AS step, c.min AS min, c.mean AS mean, c.max AS max
    FROM (SELECT 1 AS joined) AS once
    LEFT JOIN (SELECT 1 AS joined, * FROM chart_ranks({PARAMETERS})) AS c ON c.joined = once.joined
    ORDER BY step
"""

SPREAD = f"""
    SELECT c.step AS step, 'greatest less least' AS what, c.spread AS value
    FROM (SELECT 1 AS joined) AS once
    LEFT JOIN
    (
        SELECT 1 AS joined, step, max(last) - min(last) AS spread FROM chart_by_rank({PARAMETERS}) GROUP BY step
    ) AS c ON c.joined = once.joined
    ORDER BY step
"""

HEAT = f"""
    SELECT step, concat('rank ', leftPad(toString(rank), 4, '0')) AS rank_name, last
    FROM chart_by_rank(metric = {one("metric")}, run = {run()}, points = 100, {ZOOM})
    WHERE rank < {MOST_RANKS} ORDER BY step, rank LIMIT 25000
"""

STRAGGLERS = f"""
    SELECT
        p.rank AS rank, p.state AS state, round(p.factor, 2) AS `times the median`, p.work_ms AS work_ms,
        p.steps_per_second AS `steps/s`, p.last_step AS last_step, p.quiet_s AS quiet, p.seen AS seen, a.host AS host
    FROM rank_progress AS p
    LEFT JOIN (SELECT run_id, rank, argMax(host, attempt) AS host FROM attempts GROUP BY run_id, rank) AS a
        ON a.run_id = p.run_id AND a.rank = p.rank
    WHERE p.run_id = {run()}
    ORDER BY p.factor DESC, p.rank LIMIT 10000
"""


def dashboard() -> Dashboard:
    """The ranks of one run."""
    return page(
        "runstream-ranks",
        "Ranks",
        "How do the ranks of one run differ, and which one do the others wait for?",
        [
            variables.store(),
            variables.experiment(),
            variables.run(),
            variables.metric(prefer="time/step_ms"),
            variables.points(),
            *variables.steps(),
        ],
        [
            (10, [(14, _stragglers()), (10, _spread())]),
            (10, [(12, _lines()), (12, _band())]),
            (10, [(24, _heat())]),
        ],
    )


def _stragglers() -> table.Panel:
    columns = [
        Column("rank", 70, unit="none"),
        Column("state", 90, words=STATE_COLOURS),
        Column("times the median", 180, gauge=True),
        Column("work_ms", 100, unit="ms", title="work a step"),
        Column("last_step", 90, unit="none"),
        Column("quiet", 90, unit="s"),
        Column("seen", 170, unit="dateTimeAsIso"),
    ]
    text = "The slowest first, by its time for a step beside the median rank; see docs/diagnosis.md for how it is told."
    return sql_table("Stragglers", text, STRAGGLERS, columns, empty="no rank is known")


def _lines() -> trend.Panel:
    text = f"The last value of each bucket of every rank, of the first {MOST_RANKS} at most."
    return step_charts.lines("$metric by rank", text, LINES, ["rank_name"], "${__field.labels.rank_name}")


def _band() -> trend.Panel:
    text = "The mean over ranks in the band from the least to the greatest value of any."
    return step_charts.band("$metric over ranks", text, BAND, [("min", "max", 15)], "mean")


def _spread() -> trend.Panel:
    text = "How far the ranks lie apart at each step: for a loss or a norm they should not drift."
    return step_charts.lines("Spread of $metric", text, SPREAD, ["what"], "${__field.labels.what}")


def _heat() -> heatmap.Panel:
    text = "One row a rank, red is high: a slow or odd rank is a line of another colour."
    return heat_maps.matrix("$metric, rank × step", text, HEAT, column="rank_name", row="step", value="last")
