"""The page Compare: how do the chosen runs differ."""

from __future__ import annotations

from grafana_foundation_sdk.builders import table, trend
from grafana_foundation_sdk.models.dashboard import Dashboard, DataTransformerConfig

from runstream_dashboards import step_charts, variables
from runstream_dashboards.links import LINE_LINK, RUN_LINK
from runstream_dashboards.look import STATE_COLOURS, VERDICT_COLOURS
from runstream_dashboards.page import Folded, page
from runstream_dashboards.panels import Column, note, sql_table
from runstream_dashboards.values import MOST_ROWS, MOST_RUNS, POINTS, ZOOM, many, number, one, run, runs

HALF = number("half", "0", "Float64")
"""Half-life of the smoothing in steps; 0 is none."""
BY_TIME = f"(SELECT {one('axis')} = 'seconds')"


def dashboard() -> Dashboard:
    """The comparison."""
    hint = "Add runs with *+ compare* on [Runs](/d/runstream-runs?${__url_time_range}), or pick them above."
    return page(
        "runstream-compare",
        "Compare",
        f"How do the chosen runs differ? At most {MOST_RUNS} of them are drawn, each in one colour in all panels.",
        [
            variables.store(),
            variables.experiment(),
            variables.runs(),
            variables.metric().multi(True),
            variables.points(),
            variables.smoothing(),
            variables.choice("axis", "x axis", "Steps, or seconds since each run began.", ("step", "seconds"), "step"),
            *variables.steps(),
            variables.one_of_the_chosen("run_a", "A", 1),
            variables.one_of_the_chosen("run_b", "B", 2),
        ],
        [
            (2, [(24, note(hint))]),
            (9, [(24, _lines("$metric", log=False))]),
            "A against B",
            (10, [(24, _duel())]),
            "What was different",
            (10, [(12, _params()), (12, _summary())]),
            Folded("On a logarithmic axis", [(9, [(24, _lines("$metric, logarithmic", log=True))])]),
        ],
    )


FEWER_POINTS = f"""(
        SELECT toUInt32(least(
            {POINTS}, intDiv({MOST_ROWS}, if({HALF} > 0, 4, 3) * greatest(length({runs()}), 1)) - 2)))"""
"""So many that all lines together stay below MOST_ROWS: each takes three or four rows at each x."""

LINES = f"""
    SELECT * FROM
    (
        SELECT x, k, toString(run_id) AS run_id, name AS run_name, {step_charts.VALUE} AS value
        FROM
        (
            SELECT *, max(max > min) OVER (PARTITION BY run_id) AS wide
            FROM chart_lines(
                metric = {one("metric")}, runs = {runs()}, points = {FEWER_POINTS}, {ZOOM},
                half_life = {HALF}, by_time = {BY_TIME})
        )
        ARRAY JOIN arrayConcat({step_charts.KINDS}, if({HALF} > 0, ['raw'], [])) AS k
        UNION ALL
        SELECT 0, 'smooth', '', 'choose runs above', NULL WHERE (SELECT count() FROM names WHERE run_id IN {runs()}) = 0
    )
    ORDER BY k DESC, run_id, x
"""
"""Smooth lines first: colours follow the order of the lines, and are those of the runs then."""


_BOTH = f"""
    WITH {run("run_a")} AS a, {run("run_b")} AS b
    SELECT
        step,
        anyIf(last, run_id = a) AS a_last, anyIf(min, run_id = a) AS a_min, anyIf(max, run_id = a) AS a_max,
        anyIf(last, run_id = b) AS b_last, anyIf(min, run_id = b) AS b_min, anyIf(max, run_id = b) AS b_max
    FROM chart(metric = {one("metric")}, runs = (SELECT [{run("run_a")}, {run("run_b")}]), points = {POINTS}, {ZOOM})
    GROUP BY step
"""
DUEL = f"SELECT * FROM ({step_charts.at_least_one_row(_BOTH)}) ORDER BY step"

PARAMS = f"""
    SELECT key, concat(r.name, ' · ', substring(toString(r.run_id), 25)) AS run, text
    FROM params AS p INNER JOIN names AS r ON r.run_id = p.run_id
    WHERE p.run_id IN {runs()}
        AND key IN (
            SELECT key FROM params WHERE run_id IN {runs()} GROUP BY key
            HAVING uniq(text) > 1 OR count() < (SELECT count() FROM names WHERE run_id IN {runs()}))
    ORDER BY key, p.run_id LIMIT 25000
"""

SUMMARY = f"""
    SELECT
        r.name AS run, r.state AS state, d.verdict AS diagnosis,
        s.metric AS metric, s.last AS last, s.min AS min, s.min_step AS min_step, s.max AS max, s.max_step AS max_step,
        r.commit AS commit, toString(r.run_id) AS run_id
    FROM runs AS r
    LEFT JOIN (SELECT * FROM metric_summary WHERE has({many("metric")}, metric)) AS s ON s.run_id = r.run_id
    LEFT JOIN (SELECT run_id, verdict FROM diagnosis) AS d ON d.run_id = r.run_id
    WHERE r.run_id IN {runs()}
    ORDER BY r.run_id, metric LIMIT 2000
"""


def _lines(title: str, *, log: bool) -> trend.Panel:
    text = (
        "Last value of each bucket; red dots mark the first NaN or infinity. Grey lines are the least and the greatest "
        "value of each bucket, and the raw line where smoothing is on."
    )
    name = "${__field.labels.run_name} ${__field.labels.k}"
    link = ("Open ${__field.labels.run_name}", LINE_LINK)
    labels = ["k", "run_id", "run_name"]
    panel = step_charts.lines(title, text, LINES, labels, name, x="x", x_name="${axis}", link=link, log=log)
    return (
        step_charts.smoothed(panel, "${__field.labels.run_name}").repeat("metric").repeat_direction("h").max_per_row(2)
    )


def _duel() -> trend.Panel:
    text = "Two of the runs with the band between the least and the greatest value of each bucket."
    panel = step_charts.duel("$metric: A against B", text, DUEL, {"a": "${run_a:text}", "b": "${run_b:text}"})
    return panel.repeat("metric").repeat_direction("h").max_per_row(2)


def _params() -> table.Panel:
    matrix = {"columnField": "run", "rowField": "key", "valueField": "text", "emptyValue": "empty"}
    panel = sql_table("Params that differ", "Only params in which the chosen runs differ.", PARAMS, empty="none differ")
    return panel.with_transformation(DataTransformerConfig(id_val="groupingToMatrix", options=matrix))


def _summary() -> table.Panel:
    columns = [
        Column("run", 200, link=("Open this run", RUN_LINK)),
        Column("state", 90, words=STATE_COLOURS),
        Column("diagnosis", 110, words=VERDICT_COLOURS),
        Column("metric", 140),
        Column("commit", 100),
        Column("run_id", hidden=True),
    ]
    return sql_table(
        "The chosen runs",
        "State, diagnosis, and the chosen metrics of each.",
        SUMMARY,
        columns,
        empty="no runs",
        frozen=1,
    )
