"""The page Training health: which runs go wrong, and how."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat, table, trend
from grafana_foundation_sdk.models.dashboard import Dashboard

from runstream_dashboards import step_charts, variables
from runstream_dashboards.links import COMPARE_LINK, HEALTH_LINK
from runstream_dashboards.look import STATE_COLOURS, VERDICT_COLOURS
from runstream_dashboards.page import page
from runstream_dashboards.panels import Column, number, sql_table
from runstream_dashboards.values import POINTS, ZOOM, among, run

WORST_FIRST = ", ".join(f"'{word}'" for word in VERDICT_COLOURS)

CHOSEN = f"""
    {among("r.experiment", "experiment")} AND {among("r.state", "state")} AND $__timeFilter(r.started)
"""

COUNTS = f"""
    SELECT {", ".join(f"countIf(d.verdict = '{word}') AS `{word}`" for word in VERDICT_COLOURS)}
    FROM diagnosis AS d INNER JOIN runs AS r ON r.run_id = d.run_id
    WHERE {CHOSEN}
"""

DIAGNOSES = f"""
    SELECT
        r.name AS run, d.verdict AS diagnosis, d.detail AS why, r.state AS state, '+ compare' AS compare,
        d.overfitting_train_step AS `overfits from`, d.diverged_step AS `diverged at`, d.val_rise AS `validation rose`,
        d.train_fall AS `training fell`, d.quiet_s AS quiet, r.started AS started, r.experiment AS experiment,
        toString(r.run_id) AS run_id
    FROM diagnosis AS d INNER JOIN runs AS r ON r.run_id = d.run_id
    WHERE {CHOSEN}
    ORDER BY indexOf([{WORST_FIRST}], verdict), r.started DESC LIMIT 2000
"""

NONFINITE = f"""
    SELECT
        r.name AS run, s.metric AS metric, s.first_nonfinite_step AS `first step`,
        toString(s.first_nonfinite_value) AS value, s.last AS `last finite value`,
        s.last_step AS `last finite step`, toString(r.run_id) AS run_id
    FROM metric_summary AS s INNER JOIN runs AS r ON r.run_id = s.run_id
    WHERE isNotNull(s.first_nonfinite_step) AND {CHOSEN}
    ORDER BY r.started DESC, metric LIMIT 2000
"""

STALLED = f"""
    SELECT
        r.name AS run, d.verdict AS diagnosis, d.detail AS why, r.last_step AS step, r.updated AS `last seen`,
        toString(r.run_id) AS run_id
    FROM diagnosis AS d INNER JOIN runs AS r ON r.run_id = d.run_id
    WHERE d.verdict IN ('stalled', 'lost', 'silent rank') AND {CHOSEN}
    ORDER BY r.updated DESC LIMIT 2000
"""


def curves(*, by_time: str) -> str:
    """Training and validation loss of the chosen run, each over its own steps, or both over the seconds of the run."""

    def one_curve(name: str, column: str) -> str:
        chosen = f"(SELECT any({column}) FROM losses WHERE run_id = {run()})"
        return f"""
        SELECT x, k, loss, {step_charts.VALUE} AS value
        FROM
        (
            SELECT *, max(max > min) OVER () AS wide,
                concat('{name}', if(max(isNotNull(smooth)) OVER (), '', ': no finite value')) AS loss
            FROM chart_lines(
                metric = {chosen}, runs = (SELECT [{run()}]), points = {POINTS}, {ZOOM},
                half_life = 0, by_time = {by_time})
        )
        ARRAY JOIN {step_charts.KINDS} AS k"""

    return f"""
    SELECT * FROM
    ({one_curve("training", "train_metric")}
        UNION ALL{one_curve("validation", "val_metric")}
        UNION ALL
        SELECT 0, 'smooth', 'no run', NULL WHERE (SELECT count() FROM names WHERE run_id = {run()}) = 0
    )
    ORDER BY k DESC, loss, x
    """


GAP = f"""
    SELECT x, concat('validation less training', if(max(isNotNull(gap)) OVER (), '', ': not both are there')) AS what,
        gap AS value
    FROM
    (
        SELECT v.x AS x, v.smooth - t.smooth AS gap
        FROM
        (
            SELECT x, smooth, 1 AS joined FROM chart_lines(
                metric = (SELECT any(val_metric) FROM losses WHERE run_id = {run()}),
                runs = (SELECT [{run()}]), points = {POINTS}, {ZOOM}, half_life = 0, by_time = true)
        ) AS v
        ASOF LEFT JOIN
        (
            SELECT x, smooth, 1 AS joined FROM chart_lines(
                metric = (SELECT any(train_metric) FROM losses WHERE run_id = {run()}),
                runs = (SELECT [{run()}]), points = {POINTS}, {ZOOM}, half_life = 0, by_time = true)
        ) AS t ON t.joined = v.joined AND v.x >= t.x
        UNION ALL
        SELECT 0, NULL WHERE (SELECT count() FROM names WHERE run_id = {run()}) = 0
    )
    ORDER BY x
"""


def dashboard() -> Dashboard:
    """The health of all runs, and of one."""
    return page(
        "runstream-health",
        "Training health",
        "Which runs overfit, have diverged, stall or are lost, and what do the losses of one of them look like?",
        [
            variables.store(),
            variables.experiment(),
            variables.state(),
            variables.run(),
            variables.points(),
            *variables.steps(),
            variables.metric(),
        ],
        [
            (4, [(24, _counts())]),
            (12, [(24, _diagnoses())]),
            "$run: training against validation",
            (
                10,
                [
                    (8, _curves("Losses by step", "false", "step")),
                    (8, _curves("Losses by time", "true", "seconds")),
                    (8, _gap()),
                ],
            ),
            "What else goes wrong",
            (10, [(12, _nonfinite()), (12, _stalled())]),
        ],
    )


def _counts() -> stat.Panel:
    return number("Diagnoses", "How many of the chosen runs have which diagnosis, worst first.", COUNTS)


def _diagnoses() -> table.Panel:
    columns = [
        Column("run", 220, link=("Show its losses below", HEALTH_LINK)),
        Column("diagnosis", 120, words=VERDICT_COLOURS),
        Column("why", 420),
        Column("state", 90, words=STATE_COLOURS),
        Column("compare", 95, link=("Add to the comparison", COMPARE_LINK)),
        Column("overfits from", 110, unit="none"),
        Column("diverged at", 110, unit="none"),
        Column("validation rose", 120, unit="percentunit"),
        Column("training fell", 110, unit="percentunit"),
        Column("quiet", 90, unit="s"),
        Column("started", 170, unit="dateTimeAsIso"),
        Column("run_id", hidden=True),
    ]
    text = "The worst first. docs/diagnosis.md has every rule and threshold."
    return sql_table("Diagnosis of every run", text, DIAGNOSES, columns, empty="no such runs", paginated=True, frozen=1)


def _curves(title: str, by_time: str, x: str) -> trend.Panel:
    text = (
        "The two losses by which the run is diagnosed: by step each has its own axis, by time they can be compared. "
        "Last value of each bucket, grey its least and greatest; a red dot marks the first NaN or infinity."
    )
    name = "${__field.labels.loss} ${__field.labels.k}"
    panel = step_charts.lines(title, text, curves(by_time=by_time), ["k", "loss"], name, x="x", x_name=x)
    return step_charts.smoothed(panel, "${__field.labels.loss}")


def _gap() -> trend.Panel:
    text = "Validation loss less the training loss at the same time. A gap that widens is overfitting."
    return step_charts.lines(
        "Generalisation gap", text, GAP, ["what"], "${__field.labels.what}", x="x", x_name="seconds"
    )


def _nonfinite() -> table.Panel:
    columns = [Column("run", 200, link=("Show its losses", HEALTH_LINK)), Column("first step", 90, unit="none")]
    columns += [Column("last finite step", 120, unit="none"), Column("run_id", hidden=True)]
    text = "Every metric that was NaN or infinite, with the step where it began."
    return sql_table("NaN and infinity", text, NONFINITE, columns, empty="all values are finite, if the query ran")


def _stalled() -> table.Panel:
    columns = [
        Column("run", 200, link=("Show its losses", HEALTH_LINK)),
        Column("diagnosis", 110, words=VERDICT_COLOURS),
        Column("step", 90, unit="none"),
        Column("last seen", 170, unit="dateTimeAsIso"),
        Column("run_id", hidden=True),
    ]
    text = "Runs that log nothing, do not live any more, or have a rank that does not."
    return sql_table("Stalled and lost", text, STALLED, columns, empty="none stalls or is lost")
