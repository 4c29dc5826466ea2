"""Variables. Those of one name mean the same on every page, so that links carry a selection along."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import VariableHide, VariableOption, VariableRefresh

from runstream_dashboards.sources import CLICKHOUSE, CLICKHOUSE_TYPE, PROMETHEUS_TYPE, statement
from runstream_dashboards.values import among, many, one
from runstream_dashboards.values import runs as runs_of

ALL = VariableOption(text=["All"], value=["$__all"])
NONE_ROW = "SELECT '' AS value, '(none)' AS text"
"""A variable with several values cannot be empty: this one stands first, and is chosen when nothing else is."""


def store() -> dashboard.DatasourceVariable:
    """The ClickHouse data source."""
    chosen = VariableOption(text="ClickHouse", value="clickhouse")
    variable = dashboard.DatasourceVariable("datasource").label("store").type(CLICKHOUSE_TYPE).current(chosen)
    return variable.hide(VariableHide.HIDE_VARIABLE)


def prometheus() -> dashboard.DatasourceVariable:
    """The Prometheus data source."""
    chosen = VariableOption(text="Prometheus", value="prometheus")
    variable = dashboard.DatasourceVariable("prometheus").type(PROMETHEUS_TYPE).current(chosen)
    return variable.hide(VariableHide.HIDE_VARIABLE)


def queried(name: str, label: str, description: str, sql: str) -> dashboard.QueryVariable:
    """A variable whose options come from the store: one column, or value and text."""
    text = statement(sql)
    variable = dashboard.QueryVariable(name).label(label).description(description).datasource(CLICKHOUSE)
    variable = variable.query({"refId": name, "queryType": "sql", "rawSql": text}).definition(text)
    return variable.refresh(VariableRefresh.ON_DASHBOARD_LOAD)


def several(variable: dashboard.QueryVariable) -> dashboard.QueryVariable:
    """Several values may be chosen, and all are at first."""
    return variable.multi(True).include_all(True).current(ALL)


def choice(name: str, label: str, description: str, options: Sequence[str], chosen: str) -> dashboard.CustomVariable:
    """One of a few words or numbers; `text : value` gives an option another name."""
    text = next((option.partition(" : ")[0] for option in options if option.rpartition(" : ")[2] == chosen), chosen)
    current = VariableOption(text=text, value=chosen)
    variable = dashboard.CustomVariable(name).label(label).description(description).values(",".join(options))
    return variable.current(current).allow_custom_value(False)


def option(value: str) -> VariableOption:
    """A value that is chosen at first, if it is among the options."""
    return VariableOption(text=value, value=value)


def typed(name: str, label: str, description: str, default: str = "") -> dashboard.TextBoxVariable:
    """What a person types."""
    return dashboard.TextBoxVariable(name).label(label).description(description).default_value(default)


def experiment() -> dashboard.QueryVariable:
    """Experiments, all at first."""
    sql = "SELECT experiment FROM names GROUP BY experiment ORDER BY max(started) DESC LIMIT 1000"
    return several(queried("experiment", "experiment", "Only runs of these experiments.", sql))


def state() -> dashboard.QueryVariable:
    """States of runs, all at first."""
    sql = "SELECT arrayJoin(['running', 'finished', 'failed', 'killed', 'lost', 'unknown']) AS state"
    return several(queried("state", "state", "Only runs in these states.", sql))


def tag() -> dashboard.QueryVariable:
    """Tags as key=value, all at first."""
    sql = "SELECT concat(key, '=', value) AS tag FROM tags GROUP BY tag ORDER BY count() DESC, tag LIMIT 1000"
    return several(queried("tag", "tag", "Only runs with one of these tags.", sql))


def param() -> dashboard.QueryVariable:
    """Params as key=value that several runs share, all at first."""
    sql = """
        SELECT concat(key, '=', text) AS param FROM params
        GROUP BY key, text HAVING count() > 1 ORDER BY key, text LIMIT 1000
    """
    return several(queried("param", "param", "Only runs with one of these params.", sql))


def metric(name: str = "metric", label: str = "metric", prefer: str = "val/loss") -> dashboard.QueryVariable:
    """One metric, that which most runs have unless another is preferred."""
    sql = f"""
        SELECT metric FROM metrics WHERE NOT startsWith(metric, 'system/')
        GROUP BY metric ORDER BY metric = '{prefer}' DESC, count() DESC, metric LIMIT 1000
    """
    return queried(name, label, "What is charted or compared.", sql)


def run() -> dashboard.QueryVariable:
    """One run: the newest, and whichever a link names."""
    return queried("run", "run", "Which run.", _runs())


def runs() -> dashboard.QueryVariable:
    """Several runs, none at first."""
    text = "Which runs: pick them here, or with + compare in a table."
    return queried("run", "runs", text, f"{NONE_ROW} UNION ALL SELECT * FROM ({_runs()})").multi(True)


def _runs() -> str:
    # It names what is chosen as well: a link may bring a run that is not among the newest.
    return f"""
        SELECT toString(run_id) AS value, concat(name, ' · ', experiment) AS text FROM
        (
            SELECT run_id, name, experiment, started FROM names
            WHERE {among("experiment", "experiment")} OR has({many("run")}, toString(run_id))
            ORDER BY has({many("run")}, toString(run_id)) DESC, started DESC LIMIT 300
        )
        ORDER BY started DESC
    """


def points() -> dashboard.CustomVariable:
    """How many points a line has."""
    text = "Buckets a line: each shows its last value, its least and its greatest."
    return choice("points", "points", text, ("250", "500", "1000", "2000"), "500")


def smoothing() -> dashboard.CustomVariable:
    """Half-life of the moving average, in steps."""
    options = ("off : 0", "10 steps : 10", "100 steps : 100", "1000 steps : 1000", "10000 steps : 10000")
    return choice("half", "smoothing", "Half-life of a moving average; grey lines are the raw values.", options, "0")


def steps() -> tuple[dashboard.TextBoxVariable, dashboard.TextBoxVariable]:
    """From which step to which: the zoom of a step chart."""
    return (
        typed("step_min", "from step", "Charts begin at this step."),
        typed("step_max", "to step", "Charts end at this step."),
    )


def better() -> dashboard.CustomVariable:
    """Whether small or great values win."""
    text = "Which values of the metric are best. By its name: the highest of accuracy, F1, AUC, reward and the like."
    return choice("better", "better", text, ("by name : auto", "lower", "higher"), "auto")


def higher_is_better() -> str:
    """A condition on the metric, as `better` says."""
    names = "'(?i)(acc|f1|auc|precision|recall|r2|bleu|rouge|reward|score|iou)'"
    chosen = one("better")
    return f"multiIf({chosen} = 'higher', 1, {chosen} = 'lower', 0, match({one('metric')}, {names}))"


def compared() -> dashboard.QueryVariable:
    """The runs that were chosen for a comparison, carried along unseen."""
    return runs().hide(VariableHide.HIDE_VARIABLE)


def one_of_the_chosen(name: str, label: str, place: int) -> dashboard.QueryVariable:
    """One of the runs that are compared, at first that of this place among them, from 1; none where there are fewer."""
    sql = f"""
        SELECT value, text FROM
        (
            SELECT toString(run_id) AS value, name AS text, indexOf({runs_of()}, run_id) AS place FROM names
            WHERE run_id IN {runs_of()}
            UNION ALL
            SELECT '' AS value, '(none)' AS text, 0 AS place
        )
        ORDER BY place = {place} DESC, place
    """
    return queried(name, label, "One side of A against B.", sql)
