"""The page Fleet: what thousands of runs do together."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat, table, timeseries, trend
from grafana_foundation_sdk.models.dashboard import Dashboard

from runstream_dashboards import step_charts, variables
from runstream_dashboards.links import RUN_LINK
from runstream_dashboards.look import VERDICT_COLOURS
from runstream_dashboards.page import page
from runstream_dashboards.panels import Column, number, over_time, sql_table
from runstream_dashboards.values import POINTS, ZOOM, among, one

CHOSEN = f"""{among("r.experiment", "experiment")} AND $__timeFilter(r.started)"""

TOTALS = f"""
    SELECT
        count() AS runs, countIf(r.state = 'running') AS running, countIf(r.state IN ('failed', 'lost')) AS broken,
        uniq(r.user) AS users, round(sum(r.duration_s) / 3600, 1) AS `run hours`,
        round(sum(r.gpu_hours), 1) AS `GPU hours`
    FROM runs AS r
    WHERE {CHOSEN}
"""

PERCENTILES = ("p05", "p25", "p50", "p75", "p95")

OF_THESE = f"""(
    SELECT if($__conditionalAll(0, $experiment), [], arrayPushFront(groupArray(run_id), toUUIDOrZero('')))
    FROM names WHERE {among("experiment", "experiment")})"""
"""The runs of the chosen experiments for a chart: `[]` for all, and never for none."""

_MARKED = f"""
    SELECT
        step, {", ".join(PERCENTILES)},
        if(bad_runs > 0 AND countIf(bad_runs > 0) OVER so_far = 1, ifNull(anyLast(p50) OVER so_far, 0), NULL) AS bad
    FROM chart_band(metric = {one("metric")}, runs = {OF_THESE}, points = {POINTS}, {ZOOM})
    WINDOW so_far AS (ORDER BY step ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
"""
BAND = f"SELECT * FROM ({step_charts.at_least_one_row(_MARKED)}) ORDER BY step"

_INTERVAL = "greatest($__interval_s, 60)"
_BEGIN = f"toStartOfInterval(greatest(r.started, $__fromTime), toIntervalSecond({_INTERVAL}))"
"""A run is alive in every interval that it touches, also if it ends early in one."""

STATES = f"""
    SELECT time, state, count() AS runs FROM
    (
        SELECT
            toStartOfInterval(toDateTime(arrayJoin(range(
                toUnixTimestamp({_BEGIN}),
                toUnixTimestamp(least(ifNull(r.ended, r.updated), $__toTime)) + 1,
                {_INTERVAL}))), toIntervalSecond({_INTERVAL})) AS time, 'running' AS state
        FROM runs AS r WHERE {among("r.experiment", "experiment")} AND ifNull(r.ended, r.updated) >= $__fromTime
            AND r.started <= $__toTime
        UNION ALL
        SELECT
            toStartOfInterval(assumeNotNull(toDateTime(r.ended)), toIntervalSecond({_INTERVAL})) AS time,
            r.state AS state
        FROM runs AS r WHERE {among("r.experiment", "experiment")} AND isNotNull(r.ended)
            AND r.ended BETWEEN $__fromTime AND $__toTime
    )
    GROUP BY time, state ORDER BY time, state LIMIT 25000
"""


def busiest(column: str) -> str:
    """Users or experiments with most to do, and how much of it came to nothing."""
    return f"""
        SELECT
            r.{column} AS {column}, count() AS runs, countIf(r.state = 'running') AS running,
            round(sum(r.duration_s) / 3600, 1) AS hours, round(sum(r.gpu_hours), 1) AS `GPU hours`,
            round(sumIf(r.gpu_hours, r.state IN ('failed', 'killed', 'lost')), 1) AS `GPU hours of broken runs`,
            countIf(r.state IN ('failed', 'killed', 'lost')) / count() AS broken
        FROM runs AS r
        WHERE {CHOSEN}
        GROUP BY {column} ORDER BY sum(r.gpu_hours) DESC, hours DESC, {column} LIMIT 100
    """


GPUS = f"""
    SELECT
        r.name AS run, r.user AS user, count() AS GPUs, avg(s.last) / 100 AS `used now`,
        min(s.last) / 100 AS `least used`, max(s.last_time) AS sampled, toString(any(r.run_id)) AS run_id
    FROM metric_summary_by_rank AS s INNER JOIN runs AS r ON r.run_id = s.run_id
    WHERE match(s.metric, '^system/gpu[.][0-9]+[.]utilization$') AND r.state = 'running' AND {CHOSEN}
    GROUP BY r.run_id, run, user ORDER BY `used now`, run LIMIT 1000
"""

SILENT = f"""
    SELECT
        r.name AS run, d.verdict AS diagnosis, d.detail AS why, d.silent_rank AS rank, d.slowest_rank AS `slowest rank`,
        d.slowest_factor AS `times the median`, toString(r.run_id) AS run_id
    FROM diagnosis AS d INNER JOIN runs AS r ON r.run_id = d.run_id
    WHERE d.verdict IN ('silent rank', 'straggler', 'stalled', 'lost') AND {CHOSEN}
    ORDER BY indexOf(['silent rank', 'lost', 'stalled', 'straggler'], diagnosis), r.updated DESC LIMIT 1000
"""


def dashboard() -> Dashboard:
    """All runs together."""
    return page(
        "runstream-fleet",
        "Fleet",
        "What do thousands of runs do together, and what do they cost?",
        [variables.store(), variables.experiment(), variables.metric(), variables.points(), *variables.steps()],
        [
            (4, [(24, _totals())]),
            (11, [(12, _band()), (12, _states())]),
            (10, [(12, _busiest("user", "Busiest users")), (12, _busiest("experiment", "Busiest experiments"))]),
            (10, [(12, _gpus()), (12, _silent())]),
        ],
        time=("now-7d", "now"),
    )


def _totals() -> stat.Panel:
    return number("The fleet", "Runs that began in the chosen time, and what they took.", TOTALS)


def _band() -> trend.Panel:
    text = (
        "Percentiles over all runs of the chosen experiments, of the last value in each bucket: median, half and nine "
        "tenths of them. A red mark: the first NaN or infinity of any of them."
    )
    fans = [("p05", "p95", 12), ("p25", "p75", 30)]
    return step_charts.band("$metric over runs", text, BAND, fans, "p50", names={"p50": "median"})


def _states() -> timeseries.Panel:
    text = "How many runs were alive, and how many ended in which state, in each interval."
    return over_time("Runs over time", text, STATES)


def _busiest(column: str, title: str) -> table.Panel:
    columns = [Column("broken", 110, unit="percentunit", gauge=True), Column(column, 160)]
    text = "By GPU hours, then hours; broken are runs that failed, were killed or lost."
    return sql_table(title, text, busiest(column), columns, empty="no runs", frozen=1)


def _gpus() -> table.Panel:
    columns = [
        Column("run", 200, link=("Open this run", RUN_LINK)),
        Column("used now", 160, unit="percentunit", gauge=True),
        Column("least used", 110, unit="percentunit"),
        Column("sampled", 170, unit="dateTimeAsIso"),
        Column("run_id", hidden=True),
    ]
    text = "Utilization of the GPUs of running jobs as last sampled, the idle ones first."
    return sql_table("GPUs of running jobs", text, GPUS, columns, empty="no running job samples a GPU")


def _silent() -> table.Panel:
    columns = [
        Column("run", 200, link=("Open this run", RUN_LINK)),
        Column("diagnosis", 110, words=VERDICT_COLOURS),
        Column("rank", 70, unit="none"),
        Column("times the median", 130, decimals=2),
        Column("run_id", hidden=True),
    ]
    text = "Jobs with a rank that is silent or slow, and runs that stall or are lost."
    return sql_table("Silent and slow", text, SILENT, columns, empty="none, if the query ran")
