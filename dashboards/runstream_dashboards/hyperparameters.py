"""The page Hyperparameters: which params make a difference."""

from __future__ import annotations

from grafana_foundation_sdk.builders import table, xychart
from grafana_foundation_sdk.builders.dashboard import QueryVariable
from grafana_foundation_sdk.models.dashboard import Dashboard, DataTransformerConfig

from runstream_dashboards import scatter, variables
from runstream_dashboards.links import RUN_LINK
from runstream_dashboards.page import page
from runstream_dashboards.panels import Column, sql_table
from runstream_dashboards.values import among, one

SHOWN = 5000
"""Points of a scatter: more are one blot."""

LISTED = 100
"""Runs whose params are listed: with 250 params each they are the 25,000 rows that a panel may have."""

BEST = f"""
        SELECT s.run_id AS run_id, r.name AS name, if({variables.higher_is_better()}, s.max, s.min) AS best,
            isNotNull(s.first_nonfinite_step) AS bad
        FROM metric_summary AS s INNER JOIN runs AS r ON r.run_id = s.run_id
        WHERE s.metric = {one("metric")}
            AND {among("r.experiment", "experiment")} AND {among("r.state", "state")} AND $__timeFilter(r.started)"""
"""Of a run that never had a finite value, best is NULL: means leave it out, and it is counted all the same."""

TOLD = f"""
            SELECT b.run_id AS run_id, b.name AS name, b.best AS best, b.bad AS bad, p.key AS key, p.text AS text,
                p.key != '' AND (
                    uniqExact(p.text) OVER same_key > 1
                    OR count() OVER same_key < uniqExact(b.run_id) OVER ()) AS differs
            FROM
            ({BEST}
            ) AS b
            LEFT JOIN (SELECT run_id, key, text FROM params WHERE key != {one("seed")}) AS p ON p.run_id = b.run_id
            WINDOW same_key AS (PARTITION BY p.key)"""
"""The chosen runs with their params, the seed aside, and whether they differ in it: a param that some lack is one, too.

A run without params has one row with an empty key."""

SCATTER = f"""
    SELECT p.number AS x, b.best AS best, ifNull(c.number, 0) AS colour, b.name AS run, toString(b.run_id) AS run_id
    FROM
    ({BEST}
    ) AS b
    INNER JOIN (SELECT run_id, number FROM params WHERE key = {one("param_x")} AND isNotNull(number)) AS p
        ON p.run_id = b.run_id
    LEFT JOIN (SELECT run_id, number FROM params WHERE key = {one("param_colour")}) AS c ON c.run_id = b.run_id
    WHERE isNotNull(b.best)
    ORDER BY run_id LIMIT {SHOWN}
"""

IMPORTANCE = f"""
    SELECT param, corr(number_rank, best_rank) AS `rank correlation`, corr(number, best) AS correlation,
        uniq(number) AS values, count() AS runs
    FROM
    (
        -- rankCorr takes no account of equal values, of which params have many: here they share a mean rank.
        SELECT
            param, number, best,
            rank() OVER (PARTITION BY param ORDER BY number)
                + count() OVER (PARTITION BY param, number) / 2 AS number_rank,
            rank() OVER (PARTITION BY param ORDER BY best)
                + count() OVER (PARTITION BY param, best) / 2 AS best_rank
        FROM
        (
            SELECT p.key AS param, assumeNotNull(p.number) AS number, assumeNotNull(b.best) AS best
            FROM
            ({BEST}
            ) AS b
            INNER JOIN params AS p ON p.run_id = b.run_id
            WHERE isNotNull(b.best) AND isNotNull(p.number) AND isFinite(p.number)
        )
    )
    GROUP BY param HAVING values > 1 AND runs > 2
    ORDER BY abs(ifNotFinite(`rank correlation`, 0)) DESC, param LIMIT 200
"""

GROUPS = f"""
    SELECT p.text AS value, count() AS runs, countIf(b.bad) AS `not finite`, avg(b.best) AS mean,
        if(count(b.best) > 1, stddevSamp(b.best), NULL) AS std, min(b.best) AS least, max(b.best) AS greatest
    FROM
    ({BEST}
    ) AS b
    INNER JOIN (SELECT run_id, text, number FROM params WHERE key = {one("param_x")}) AS p ON p.run_id = b.run_id
    GROUP BY value ORDER BY isNull(any(p.number)), any(p.number), value LIMIT 500
"""

SEEDS = f"""
    SELECT if(configuration = '', '(none)', configuration) AS configuration, count() AS runs,
        countIf(bad) AS `not finite`, avg(best) AS mean,
        if(count(best) > 1, stddevSamp(best), NULL) AS std, min(best) AS least, max(best) AS greatest
    FROM
    (
        SELECT any(told.best) AS best, any(told.bad) AS bad,
            arrayStringConcat(arraySort(groupArrayIf(concat(key, '=', text), differs)), ' ') AS configuration
        FROM
        ({TOLD}
        ) AS told
        GROUP BY run_id
    )
    GROUP BY configuration
    ORDER BY isNull(mean), if({variables.higher_is_better()}, -mean, mean), configuration LIMIT 1000
"""

BEST_RUNS = f"""
    SELECT if(param.1 = '', concat('best ', {one("metric")}), param.1) AS key,
        concat(toString(place), '. ', name) AS run, param.2 AS text
    FROM
    (
        SELECT name, arrayPushFront(pairs, ('', printf('%.6g', assumeNotNull(best_value)))) AS listed,
            row_number() OVER (ORDER BY if({variables.higher_is_better()}, -best_value, best_value), run_id) AS place
        FROM
        (
            SELECT run_id, any(told.name) AS name, any(told.best) AS best_value,
                groupArrayIf((key, text), differs) AS pairs
            FROM
            ({TOLD}
            ) AS told
            GROUP BY run_id
        )
        WHERE isNotNull(best_value)
    )
    ARRAY JOIN listed AS param
    WHERE place <= {LISTED}
    ORDER BY place, param.1 LIMIT 25000
"""
"""Rows of one run come together and its best value comes first: the matrix keeps that order."""


def dashboard() -> Dashboard:
    """What params do to a metric."""
    return page(
        "runstream-hyperparameters",
        "Hyperparameters",
        "Which params make a difference, and which values of them are best?",
        [
            variables.store(),
            variables.experiment(),
            variables.state(),
            variables.metric(prefer="val/accuracy"),
            variables.better(),
            _param("param_x", "param", "What is charted, and grouped by.", 0),
            _param("param_colour", "colour", "A second param, as the colour of the points.", 1),
            variables.typed("seed", "seed is", "The param in which repetitions of one configuration differ.", "seed"),
        ],
        [
            (12, [(14, _scatter()), (10, _importance())]),
            (10, [(10, _groups()), (14, _seeds())]),
            (12, [(24, _best_runs())]),
        ],
    )


def _param(name: str, label: str, description: str, skip: int) -> QueryVariable:
    # What is chosen at first varies most among the runs that have the metric.
    sql = f"""
        SELECT key FROM
        (
            SELECT key, row_number() OVER (ORDER BY key = 'seed', entropy(number) DESC, key) AS place
            FROM params
            WHERE isNotNull(number) AND run_id IN (SELECT run_id FROM metrics WHERE metric = {one("metric")})
            GROUP BY key
        )
        ORDER BY place <= {skip}, place LIMIT 500
    """
    return variables.queried(name, label, description, sql)


def _scatter() -> xychart.Panel:
    text = (
        "The best ${metric} of each run against a param; a click on a point opens the run. "
        "Runs without ${param_colour} have the colour of 0, and runs without a finite value are not drawn."
    )
    return scatter.points(
        "${metric} against ${param_x}",
        text,
        SCATTER,
        x="x",
        y="best",
        colour="colour",
        x_name="${param_x}",
        y_name="best ${metric}",
        link=("Open this run", RUN_LINK),
    )


def _importance() -> table.Panel:
    columns = [
        Column("rank correlation", 180, gauge=True, decimals=3),
        Column("correlation", 110, decimals=3),
        Column("values", 80, unit="none"),
        Column("runs", 80, unit="none"),
    ]
    text = (
        "How the best ${metric} goes with each number among the params; ranks see a bend where the plain one sees none."
    )
    return sql_table("Which params matter", text, IMPORTANCE, columns, empty="no param differs")


def _groups() -> table.Panel:
    text = (
        "Mean, deviation and extremes of the best ${metric} for each value of the param. "
        "Runs without any finite value count as runs, and in no mean."
    )
    return sql_table("By ${param_x}", text, GROUPS, [Column("value", 120, title="${param_x}")], empty="no such param")


def _seeds() -> table.Panel:
    text = (
        "Runs that differ in their seed alone are one configuration: mean and deviation over them, the best first. "
        "Only params in which the chosen runs differ are named; a run with none of them is (none)."
    )
    return sql_table("Configurations over seeds", text, SEEDS, [Column("configuration", 380)], empty="no runs")


def _best_runs() -> table.Panel:
    text = "The best runs by ${metric}, each with the params in which the chosen runs differ: what do the best share?"
    matrix = {"columnField": "key", "rowField": "run", "valueField": "text", "emptyValue": "empty"}
    panel = sql_table("The best runs and their params", text, BEST_RUNS, empty="no run has the metric", frozen=1)
    return panel.with_transformation(DataTransformerConfig(id_val="groupingToMatrix", options=matrix))
