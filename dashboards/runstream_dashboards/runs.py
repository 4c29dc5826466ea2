"""The page Runs: which of thousands is best, and how are the others."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import QueryVariable
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from runstream_dashboards import variables
from runstream_dashboards.links import COMPARE_LINK, RUN_LINK
from runstream_dashboards.look import STATE_COLOURS, VERDICT_COLOURS
from runstream_dashboards.page import page
from runstream_dashboards.panels import Column, number, over_time, sql_table
from runstream_dashboards.values import among, many, one
from runstream_dashboards.values import number as number_of

PARAM_COLUMNS = ("param_a", "param_b", "param_c")

CHOSEN = f"""
    {among("r.experiment", "experiment")}
    AND {among("r.state", "state")}
    AND ({one("name")} = '' OR positionCaseInsensitiveUTF8(r.name, {one("name")}) > 0)
    AND $__conditionalAll(
        r.run_id IN (SELECT run_id FROM tags WHERE has({many("tag")}, concat(key, '=', value))), $tag)
    AND $__conditionalAll(
        r.run_id IN (SELECT run_id FROM params WHERE has({many("param")}, concat(key, '=', text))), $param)
    AND $__timeFilter(r.started)
"""

LEADERBOARD = f"""
    WITH {variables.higher_is_better()} AS higher
    SELECT
        r.name AS run, r.state AS state, d.verdict AS diagnosis, '+ compare' AS compare,
        if(higher, s.max, s.min) AS best, if(higher, s.max_step, s.min_step) AS best_step,
        s.last AS last, r.last_step AS step, {", ".join(f"p.{name} AS {name}" for name in PARAM_COLUMNS)},
        r.started AS started, r.duration_s AS duration, r.gpu_hours AS gpu_hours,
        r.experiment AS experiment, r.user AS user, toString(r.run_id) AS run_id
    FROM runs AS r
    LEFT JOIN (SELECT * FROM metric_summary WHERE metric = {one("metric")}) AS s ON s.run_id = r.run_id
    LEFT JOIN (SELECT run_id, verdict FROM diagnosis) AS d ON d.run_id = r.run_id
    LEFT JOIN
    (
        SELECT run_id, {", ".join(f"anyIf(text, key = {one(name)}) AS {name}" for name in PARAM_COLUMNS)}
        FROM params GROUP BY run_id
    ) AS p ON p.run_id = r.run_id
    WHERE {CHOSEN}
    ORDER BY isNull(best), if(higher, -best, best), started DESC
    LIMIT {number_of("limit", "500")}
"""


def dashboard() -> Dashboard:
    """The leaderboard."""
    return page(
        "runstream-runs",
        "Runs",
        "Which of thousands of runs is best, and how are the others? A name opens its run, + compare adds it.",
        [
            variables.store(),
            variables.experiment(),
            variables.state(),
            variables.metric(),
            variables.better(),
            variables.tag(),
            variables.param(),
            variables.typed("name", "name contains", "Only runs whose name holds this text."),
            *(_param_column(name) for name in PARAM_COLUMNS),
            variables.choice("limit", "rows", "Rows of the table.", ("100", "500", "2000"), "500"),
            variables.compared(),
        ],
        [
            (4, [(24, _totals())]),
            (18, [(24, _leaderboard())]),
            (8, [(24, _begun())]),
        ],
    )


def _param_column(name: str) -> QueryVariable:
    letter = name.removeprefix("param_").upper()
    sql = """
        SELECT key FROM params GROUP BY key
        ORDER BY uniq(text) BETWEEN 2 AND 50 DESC, key != 'seed' DESC, uniq(text) DESC, key LIMIT 500
    """
    return variables.queried(name, f"column {letter}", "A param that the table shows as a column.", sql)


def _totals() -> Builder[Panel]:
    sql = f"""
        SELECT
            count() AS runs, countIf(r.state = 'running') AS running,
            countIf(r.state IN ('failed', 'lost')) AS failed, round(sum(r.duration_s) / 3600, 1) AS hours
        FROM runs AS r WHERE {CHOSEN}
    """
    return number("Chosen runs", "How many runs the choices above leave, and how many of them run or broke.", sql)


def _leaderboard() -> Builder[Panel]:
    columns = [
        Column("run", 240, link=("Open this run", RUN_LINK)),
        Column("state", 90, words=STATE_COLOURS),
        Column("diagnosis", 110, words=VERDICT_COLOURS),
        Column("compare", 95, link=("Add to the comparison", COMPARE_LINK)),
        Column("best", 220, title="best ${metric}", gauge=True),
        Column("best_step", 90, unit="none"),
        Column("last", 110, title="last ${metric}"),
        Column("step", 90, unit="none"),
        *(Column(name, 110, title=f"${{{name}}}") for name in PARAM_COLUMNS),
        Column("started", 170, unit="dateTimeAsIso"),
        Column("duration", 110, unit="dtdhms"),
        Column("gpu_hours", 100, title="GPU hours", decimals=1),
        Column("experiment", 140),
        Column("user", 110),
        Column("run_id", hidden=True),
    ]
    text = "Runs by their best value. Runs without the metric stand last. Diagnosis: see docs/diagnosis.md."
    return sql_table("Leaderboard", text, LEADERBOARD, columns, empty="no such runs", paginated=True, frozen=1)


def _begun() -> Builder[Panel]:
    sql = f"""
        SELECT
            toStartOfInterval(r.started, toIntervalSecond(greatest($__interval_s, 60))) AS time,
            r.state AS state, count() AS runs
        FROM runs AS r WHERE {CHOSEN} GROUP BY time, state ORDER BY time, state
    """
    return over_time("Runs begun", "When the chosen runs began, by what became of them.", sql)
