"""The page Ranks: how the ranks of one run differ."""

from __future__ import annotations

from grafana_foundation_sdk.builders import heatmap, stat, table, trend
from grafana_foundation_sdk.models.dashboard import Dashboard

from runstream_dashboards import heat_maps, step_charts, variables
from runstream_dashboards.look import STATE_COLOURS, VERDICT_COLOURS
from runstream_dashboards.page import page
from runstream_dashboards.panels import Column, number, sql_table
from runstream_dashboards.values import POINTS, ZOOM, one, run

MOST_RANKS = 64
"""Lines of one panel; ranks beyond it are in the band and in the table."""

MOST_EXTREMES = 16
"""Ranks of which the extremes are drawn: grey lines of more are a blot, and the band shows the extremes of all."""

THIS = f"run_id = {run()}"

PARAMETERS = f"metric = {one('metric')}, run = {run()}, points = {POINTS}, {ZOOM}"

RANKS = f"(SELECT least(max(ranks), {MOST_RANKS}) FROM runs WHERE {THIS})"
"""How many lines there are."""

FEWER_POINTS = f"""(
        SELECT toUInt32(least({POINTS}, intDiv(if({RANKS} > {MOST_EXTREMES}, 6000, 2000), greatest({RANKS}, 1)))))"""
"""So many that all lines together stay below 25,000 rows: a chart gives up to four times what is asked for, and a line
with its extremes takes three rows at each step."""

NOBODY = "'no rank has it'"

_BY_RANK = f"""
    SELECT
        toNullable(step) AS step, rank, last AS value, value AS smooth, min, max,
        max(max > min) OVER (PARTITION BY rank) AND {RANKS} <= {MOST_EXTREMES} AS wide,
        if(nonfinite > 0 AND countIf(nonfinite > 0) OVER so_far = 1, ifNull(anyLast(last) OVER so_far, 0), NULL)
            AS first_bad
    FROM chart_by_rank(metric = {one("metric")}, run = {run()}, points = {FEWER_POINTS}, {ZOOM})
    WHERE rank < {MOST_RANKS}
    WINDOW so_far AS (PARTITION BY rank ORDER BY step ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
"""
LINES = f"""
    SELECT
        ifNull(c.step, 0) AS step, k, if(isNull(c.step), {NOBODY}, concat('rank ', toString(rank))) AS rank_name,
        {step_charts.VALUE} AS value
    FROM ({step_charts.at_least_one_row(_BY_RANK)}) AS c
    ARRAY JOIN {step_charts.KINDS} AS k
    ORDER BY k DESC, rank, step
"""

_OVER_RANKS = f"""
    SELECT
        step, least AS min, mean, greatest AS max,
        if(bad AND step = min(if(bad, step, NULL)) OVER (), ifNull(max(greatest) OVER (), 1), NULL) AS bad
    FROM
    (
        SELECT step, min(b.min) AS least, avg(b.last) AS mean, max(b.max) AS greatest, max(b.nonfinite) > 0 AS bad
        FROM chart_by_rank({PARAMETERS}) AS b GROUP BY step
    )
"""
BAND = f"SELECT * FROM ({step_charts.at_least_one_row(_OVER_RANKS)}) ORDER BY step"
"""As chart_ranks, which does not tell what is not finite."""

_APART = f"SELECT step, max(last) - min(last) AS spread FROM chart_by_rank({PARAMETERS}) GROUP BY step"
SPREAD = f"""
    SELECT step, 'greatest less least' AS what, spread AS value FROM ({step_charts.at_least_one_row(_APART)})
    ORDER BY step
"""

_CELLS = f"""
    SELECT toNullable(step) AS step, rank, last
    FROM chart_by_rank(metric = {one("metric")}, run = {run()}, points = 90, {ZOOM}) WHERE rank < {MOST_RANKS}
"""
HEAT = f"""
    SELECT
        ifNull(c.step, 0) AS step,
        if(isNull(c.step), {NOBODY}, concat('rank ', leftPad(toString(rank), 4, '0'))) AS rank_name,
        last
    FROM ({step_charts.at_least_one_row(_CELLS)}) AS c
    ORDER BY step, rank
"""

SLOWEST = f"""
    SELECT
        toString(r.ranks) AS ranks, d.verdict AS diagnosis, ifNull(toString(p.slowest), 'not known') AS `slowest rank`,
        ifNull(concat(toString(round(p.longest, 2)), ' × the median'), 'not known') AS `takes for a step`,
        ifNull(toString(d.silent_rank), 'none') AS `silent rank`
    FROM runs AS r
    LEFT JOIN (SELECT run_id, verdict, silent_rank FROM diagnosis WHERE {THIS}) AS d ON d.run_id = r.run_id
    LEFT JOIN
    (
        SELECT run_id, argMax(toNullable(rank), factor) AS slowest, max(factor) AS longest
        FROM rank_progress WHERE {THIS} GROUP BY run_id
    ) AS p ON p.run_id = r.run_id
    WHERE r.{THIS}
"""

STRAGGLERS = f"""
    SELECT
        p.rank AS rank, p.state AS state, round(p.factor, 2) AS `times the median`, p.work_ms AS work_ms,
        p.steps_per_second AS `steps/s`, p.last_step AS last_step, p.quiet_s AS quiet, p.seen AS seen, a.host AS host
    FROM rank_progress AS p
    LEFT JOIN (SELECT run_id, rank, argMax(host, attempt) AS host FROM attempts WHERE {THIS} GROUP BY run_id, rank) AS a
        ON a.run_id = p.run_id AND a.rank = p.rank
    WHERE p.{THIS}
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
            (4, [(24, _slowest())]),
            (10, [(14, _stragglers()), (10, _spread())]),
            (10, [(12, _lines()), (12, _band())]),
            (10, [(24, _heat())]),
        ],
    )


def _slowest() -> stat.Panel:
    text = "The rank whose step takes longest beside the median rank's, and one that stopped while others go on."
    return number("Ranks of $run", text, SLOWEST, words=VERDICT_COLOURS)


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
    text = (
        f"The last value of each bucket of every rank, of the first {MOST_RANKS} at most; grey its least and "
        f"greatest, of {MOST_EXTREMES} ranks or fewer. A red dot is the last value before the first NaN or infinity."
    )
    name = "${__field.labels.rank_name} ${__field.labels.k}"
    panel = step_charts.lines("$metric by rank", text, LINES, ["k", "rank_name"], name)
    return step_charts.smoothed(panel, "${__field.labels.rank_name}")


def _band() -> trend.Panel:
    text = "The mean over ranks in the band of their extremes; a red mark is the first NaN or infinity."
    return step_charts.band("$metric over ranks", text, BAND, [("min", "max", 15)], "mean")


def _spread() -> trend.Panel:
    text = "How far the ranks lie apart at each step: for a loss or a norm they should not drift."
    return step_charts.lines("Spread of $metric", text, SPREAD, ["what"], "${__field.labels.what}")


def _heat() -> heatmap.Panel:
    text = "One row a rank, red is high: a slow or odd rank is a line of another colour."
    return heat_maps.matrix("$metric, rank × step", text, HEAT, column="rank_name", row="step", value="last")
