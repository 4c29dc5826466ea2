"""The page Run: everything about one run."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat, statetimeline, table, trend
from grafana_foundation_sdk.models.dashboard import Dashboard

from runstream_dashboards import state_timelines, step_charts, variables
from runstream_dashboards.look import LEDGER_COLOURS, STATE_COLOURS, VERDICT_COLOURS
from runstream_dashboards.page import Folded, page
from runstream_dashboards.panels import Column, number, sql_table
from runstream_dashboards.ranks import MOST_RANKS
from runstream_dashboards.values import POINTS, ZOOM, one, run

MOST_METRICS = 24
"""More charts take a browser many seconds; the prefix chooses among them."""

MOST_LINES = 200
"""More lines of machines take a browser many seconds, and nobody can tell them apart."""

THIS = f"run_id = {run()}"

METRICS = f"""
    SELECT metric FROM metrics
    WHERE {THIS} AND NOT startsWith(metric, 'system/') AND startsWith(metric, {one("prefix")})
    ORDER BY metric LIMIT {MOST_METRICS}
"""

HEADER = f"""
    SELECT
        r.state AS state, d.verdict AS diagnosis, r.experiment AS experiment, r.user AS user,
        concat(formatDateTime(r.started, '%Y-%m-%d %H:%i'), ' UTC') AS started,
        formatReadableTimeDelta(r.duration_s) AS duration, toString(r.last_step) AS `last step`,
        toString(r.ranks) AS ranks, toString(round(r.gpu_hours, 1)) AS `GPU hours`
    FROM runs AS r
    LEFT JOIN (SELECT run_id, verdict FROM diagnosis WHERE {THIS}) AS d ON d.run_id = r.run_id
    WHERE r.{THIS}
"""

_CHART = f"""
    SELECT
        step, last, min, max,
        if(first_nonfinite_step = min(first_nonfinite_step) OVER (), ifNull(max(max) OVER (), 1), NULL) AS bad
    FROM chart(metric = {one("metric")}, runs = (SELECT [{run()}]), points = {POINTS}, {ZOOM})
"""
METRIC = f"SELECT * FROM ({step_charts.at_least_one_row(_CHART)}) ORDER BY step"


def machine_sql(pattern: str, summary: str = "avg") -> str:
    """System metrics whose names match, over the minutes since the run began: a line for each metric and rank.

    A bucket shows the mean (`avg`) or the greatest (`max`) of its samples.
    """
    sampled = f"FROM metric_summary_by_rank WHERE {THIS} AND match(metric, '{pattern}')"
    values = f"""
        SELECT floor(second / width) * width / 60 AS minutes, toString(metric) AS metric,
            concat('rank ', toString(rank)) AS source, toNullable({summary}(value)) AS value
        FROM
        (
            SELECT metric, rank, value, step - min(step) OVER () AS second,
                greatest((max(step) OVER () - min(step) OVER () + 1) / least({POINTS}, per_line), 10) AS width
            FROM points
            CROSS JOIN (SELECT 24000 / least(greatest(count(), 1), {MOST_LINES}) AS per_line {sampled}) AS room
            WHERE {THIS} AND metric IN (SELECT metric {sampled}) AND (metric, rank) IN (
                SELECT metric, rank {sampled} ORDER BY rank, metric LIMIT {MOST_LINES})
        )
        GROUP BY minutes, metric, source
    """
    return f"""
        SELECT ifNull(minutes, 0) AS minutes, if(metric = '', 'no samples', metric) AS metric, source, value
        FROM ({step_charts.at_least_one_row(values)})
        ORDER BY metric, source, minutes
    """


SUMMARY = f"""
    SELECT metric, last, last_step, min, min_step, max, max_step, first_nonfinite_step AS `first NaN/Inf`
    FROM metric_summary WHERE {THIS} ORDER BY startsWith(metric, 'system/'), metric LIMIT 1000
"""

ARTIFACTS = f"""
    SELECT name, version, type, if(has(aliases, 'best'), 'best', '') AS best, arrayStringConcat(aliases, ', ') AS names,
        step, size, state, uri, substring(sha256, 1, 12) AS sha256
    FROM artifacts WHERE {THIS}
    ORDER BY type IN ('model', 'checkpoint') DESC, has(aliases, 'best') DESC, name, version DESC LIMIT 1000
"""

PARAMS = f"SELECT key, text AS value FROM params WHERE {THIS} ORDER BY key LIMIT 2000"

TAGS = f"SELECT key, value, time FROM tags WHERE {THIS} ORDER BY key LIMIT 1000"

ENVIRONMENT = f"""
    SELECT tupleElement(field, 1) AS what, tupleElement(field, 2) AS value
    FROM
    (
        SELECT * FROM environment WHERE {THIS} ORDER BY rank LIMIT 1
    )
    ARRAY JOIN arrayConcat(
        [('commit', commit), ('branch', branch), ('remote', remote), ('uncommitted changes', if(dirty, 'yes', 'no')),
         ('command', arrayStringConcat(command, ' ')), ('host', host)],
        arraySort(arrayZip(mapKeys(environment), mapValues(environment))),
        arrayMap(package -> ('package', package), packages)) AS field
    WHERE value != '' LIMIT 2000
"""

ATTEMPTS = f"""
    SELECT rank, number, state, started, ended, last_step, host, device, error, breach
    FROM attempts WHERE {THIS} AND NOT deleted ORDER BY rank, number LIMIT 5000
"""

STATES = f"""
    SELECT time, rank_name, state FROM
    (
        SELECT started AS time, rank, concat('rank ', toString(rank)) AS rank_name,
            if(state = 'unknown', state, 'running') AS state
        FROM attempts WHERE {THIS} AND NOT deleted AND rank < {MOST_RANKS}
        UNION ALL
        SELECT assumeNotNull(ended), rank, concat('rank ', toString(rank)), state
        FROM attempts WHERE {THIS} AND NOT deleted AND rank < {MOST_RANKS} AND isNotNull(ended)
        UNION ALL
        SELECT now64(6, 'UTC'), 0, 'no attempt is known', 'unknown'
        WHERE (SELECT count() FROM attempts WHERE {THIS} AND NOT deleted) = 0
    )
    ORDER BY rank, time LIMIT 25000
"""
"""The last line gives a row where there is no attempt: without one the panel would complain."""

LEDGER = f"""
    SELECT rank, number, verdict, logged, stored, pending, dead_lettered, arraySum(mapValues(dropped)) AS dropped
    FROM ledger WHERE {THIS} ORDER BY rank, number LIMIT 5000
"""


def dashboard() -> Dashboard:
    """One run."""
    return page(
        "runstream-run",
        "Run",
        "What did this run do, from what code and with which result?",
        [
            variables.store(),
            variables.experiment(),
            variables.run(),
            variables.typed(
                "prefix", "metrics begin with", f"Charts of metrics whose names begin so; {MOST_METRICS} at most."
            ),
            variables.several(variables.queried("metric", "metrics", "Which metrics have a chart.", METRICS)),
            variables.points(),
            *variables.steps(),
        ],
        [
            (4, [(24, _header())]),
            (3, [(24, _verdict())]),
            (8, [(24, _metric())]),
            "Results and files",
            (9, [(12, _summary()), (12, _artifacts())]),
            "How it was made",
            (10, [(8, _params()), (8, _environment()), (8, _tags())]),
            "How it went",
            (8, [(14, _attempts()), (10, _ledger())]),
            (7, [(24, _states())]),
            Folded(
                "The machines",
                [
                    (
                        9,
                        [
                            (12, _machine("Processors and memory, %", "^system/[a-z_.]*percent$", "percent")),
                            (12, _machine("GPU utilization, %", "^system/gpu[.][0-9]+[.]utilization$", "percent")),
                        ],
                    ),
                    (
                        9,
                        [
                            (12, _machine("GPU memory", "^system/gpu[.][0-9]+[.]memory_bytes$", "bytes", "max")),
                            (
                                12,
                                _machine("GPU temperature", "^system/gpu[.][0-9]+[.]temperature_c$", "celsius", "max"),
                            ),
                        ],
                    ),
                ],
            ),
        ],
    )


def _header() -> stat.Panel:
    text = "State, diagnosis and extent of the run; docs/diagnosis.md explains the diagnosis."
    return number("$run", text, HEADER, words={**VERDICT_COLOURS, **STATE_COLOURS})


def _verdict() -> table.Panel:
    sql = f"SELECT detail FROM diagnosis WHERE {THIS}"
    return sql_table("Why it is diagnosed so", "The diagnosis in words, with its numbers.", sql, empty="no such run")


def _metric() -> trend.Panel:
    text = "The last value of each bucket in the band of its extremes. A red mark is the first NaN or infinity."
    panel = step_charts.band("$metric", text, METRIC, [("min", "max", 15)], "last")
    return panel.repeat("metric").repeat_direction("h").max_per_row(3)


def _summary() -> table.Panel:
    text = "Last, least and greatest finite value of every metric with their steps."
    return sql_table("Metrics", text, SUMMARY, [Column("metric", 200)], empty="no metric yet", frozen=1)


def _artifacts() -> table.Panel:
    columns = [
        Column("name", 160),
        Column("best", 70, words={"best": "green"}),
        Column("size", 90, unit="bytes"),
        Column("step", 80, unit="none"),
    ]
    text = "Files and references, models and checkpoints first, the best of them marked."
    return sql_table("Artifacts and checkpoints", text, ARTIFACTS, columns, empty="no artifacts")


def _params() -> table.Panel:
    return sql_table("Params", "What the run was configured with.", PARAMS, [Column("key", 200)], empty="no params")


def _environment() -> table.Panel:
    text = "Commit, command, host and versions, of the lowest rank."
    return sql_table("Code and environment", text, ENVIRONMENT, [Column("what", 160)], empty="not captured")


def _tags() -> table.Panel:
    columns = [Column("key", 120), Column("time", 170, unit="dateTimeAsIso")]
    return sql_table("Tags", "What people and programs noted.", TAGS, columns, empty="no tags")


def _attempts() -> table.Panel:
    columns = [
        Column("state", 90, words=STATE_COLOURS),
        Column("started", 170, unit="dateTimeAsIso"),
        Column("ended", 170, unit="dateTimeAsIso"),
        Column("last_step", 90, unit="none"),
    ]
    text = "Each life of each rank: a resumed run has several."
    return sql_table("Attempts", text, ATTEMPTS, columns, empty="no attempt is known")


def _states() -> statetimeline.Panel:
    text = f"When each rank ran, and how each of its attempts ended; of the first {MOST_RANKS} ranks."
    return state_timelines.timeline("States over time", text, STATES, label="rank_name", words=STATE_COLOURS)


def _ledger() -> table.Panel:
    columns = [Column("verdict", 100, words=LEDGER_COLOURS)]
    text = "What was logged against what is stored, see docs/guarantees.md."
    return sql_table("Ledger", text, LEDGER, columns, empty="no counters yet")


def _machine(title: str, pattern: str, unit: str, summary: str = "avg") -> trend.Panel:
    shown = {"avg": "Means", "max": "Greatest samples"}[summary]
    text = (
        f"{shown} over the minutes since the run began, of every rank that samples its machine; "
        f"{MOST_LINES} lines at most, lowest ranks first."
    )
    name = "${__field.labels.source} ${__field.labels.metric}"
    panel = step_charts.lines(title, text, machine_sql(pattern, summary), ["metric", "source"], name, x="minutes")
    return panel.unit(unit)
