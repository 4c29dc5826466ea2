"""Alert rules: what somebody wants to be told without looking.

Each rule asks for one row per thing that is wrong, with texts as labels and one number, and fires for each of them. The
texts stay the same while it is wrong: Grafana takes other labels for another alert, which has not lasted yet. No text
has a dollar sign: Grafana takes what follows one in a provisioned file for a variable of its environment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from runstream_dashboards.sources import PLUGIN_VERSION, statement

GROUP: Final = "runstream"

RECENT: Final = "r.updated > now() - INTERVAL 1 DAY"
"""Older trouble is known, or nobody cares."""

MOST: Final = 200
"""Runs that one rule tells of: who has more in trouble knows it. The newest, since nobody knows of them yet."""

EXPRESSION: Final = "__expr__"
"""What Grafana calls its own expressions."""


@dataclass(frozen=True)
class Rule:
    """Something that is wrong whenever its query gives a row with a number above zero."""

    uid: str
    title: str
    summary: str
    """What is told; labels stand in it as {{ .Labels.name }}."""
    query: str
    source: str = "clickhouse"
    lasting: str = "1m"
    """How long it must hold."""
    severity: str = "warning"

    def as_object(self) -> dict[str, Any]:
        """As Grafana's provisioning wants it, by file and by HTTP."""
        return {
            "uid": self.uid,
            "title": self.title,
            "ruleGroup": GROUP,
            "condition": "B",
            "data": [self._asked(), _above_zero()],
            # No row is what one hopes for. A store or a Prometheus that does not answer is told.
            "noDataState": "OK",
            "execErrState": "Error",
            "for": self.lasting,
            "isPaused": False,
            "annotations": {"summary": self.summary},
            "labels": {"severity": self.severity},
        }

    def _asked(self) -> dict[str, Any]:
        model: dict[str, Any] = {"refId": "A", "expr": self.query, "instant": True, "range": False}
        if self.source == "clickhouse":
            model = {"refId": "A", "editorType": "sql", "queryType": "table", "format": 1, "rawSql": self.query}
            model["pluginVersion"] = PLUGIN_VERSION
        span = {"from": 3600, "to": 0}
        return {"refId": "A", "relativeTimeRange": span, "datasourceUid": self.source, "model": model}


def _above_zero() -> dict[str, Any]:
    condition = {"evaluator": {"type": "gt", "params": [0]}}
    model = {"refId": "B", "type": "threshold", "expression": "A", "conditions": [condition]}
    return {"refId": "B", "datasourceUid": EXPRESSION, "model": model}


def _diagnosed(condition: str) -> str:
    return statement(
        f"""
        SELECT r.name AS run, toString(r.run_id) AS run_id, d.verdict AS diagnosis, toFloat64(1) AS value
        FROM diagnosis AS d INNER JOIN runs AS r ON r.run_id = d.run_id
        WHERE {condition} AND {RECENT} ORDER BY r.started DESC, run_id LIMIT {MOST}
        """
    )


NONFINITE = statement(
    f"""
    SELECT r.name AS run, toString(r.run_id) AS run_id, s.metric AS metric, toFloat64(1) AS value
    FROM metric_summary AS s INNER JOIN runs AS r ON r.run_id = s.run_id
    INNER JOIN diagnosis AS d ON d.run_id = s.run_id
    WHERE isNotNull(s.first_nonfinite_step) AND s.metric IN (d.train_metric, d.val_metric) AND {RECENT}
    ORDER BY r.started DESC, run_id, metric LIMIT {MOST}
    """
)

HALVED = (
    '(sum(rate(runstream_ingest_points_total{outcome="stored"}[10m])) '
    '< bool 0.5 * sum(rate(runstream_ingest_points_total{outcome="stored"}[1h] offset 30m))) '
    "* (sum(runstream_ingest_lag_messages) > bool 1000)"
)
"""Less is stored, though there is more to store: jobs that end are no trouble.

The hour to compare with ended half an hour ago. Were it nearer, it would take in the drop before ten minutes show the
whole of it and the rule has waited for ten more: only much deeper drops would last."""

LAGGING = (
    "(sum(runstream_ingest_lag_messages) > bool 10000) * (deriv(sum(runstream_ingest_lag_messages)[15m:1m]) > bool 0)"
)
"""A backlog of half a second of one worker's work is nothing; one that grows for a quarter of an hour is."""

_REFUSED = 'runstream_ingest_messages_total{outcome="dead"}'
DEAD = f"sum(increase({_REFUSED}[15m]) > 0 or ({_REFUSED} > 0 unless {_REFUSED} offset 15m))"
"""The first dead letter of an event begins a series, which increase() does not see."""

RULES: Final[Sequence[Rule]] = (
    Rule(
        "runstream-loss-not-finite",
        "Loss is not finite",
        "{{ .Labels.metric }} of {{ .Labels.run }} became NaN or infinite",
        NONFINITE,
        severity="critical",
    ),
    Rule(
        "runstream-stalled",
        "Run stalls or a rank is silent",
        "{{ .Labels.run }}: {{ .Labels.diagnosis }}. Its page tells more",
        _diagnosed("d.verdict IN ('stalled', 'silent rank', 'lost')"),
        lasting="2m",
        severity="critical",
    ),
    Rule(
        "runstream-overfitting",
        "Validation loss rises while training loss falls",
        "{{ .Labels.run }}: {{ .Labels.diagnosis }}. Its page tells more",
        _diagnosed("d.verdict = 'overfitting' AND r.state = 'running'"),
        lasting="5m",
    ),
    Rule(
        "runstream-throughput-halved",
        "Throughput dropped by half",
        "The workers store less than half of the points that they stored in the hour before",
        HALVED,
        source="prometheus",
        lasting="10m",
    ),
    Rule(
        "runstream-lag-grows",
        "Worker lag grows",
        "More is logged than the workers store: messages wait in the topics, and more of them all the time",
        LAGGING,
        source="prometheus",
        lasting="10m",
    ),
    Rule(
        "runstream-dead-letters",
        "Dead letters",
        "The store refused events; runstream-ingest deadletters list says why",
        DEAD,
        source="prometheus",
    ),
)


def rules() -> list[dict[str, Any]]:
    """All rules, as Grafana's HTTP API wants them."""
    return [rule.as_object() for rule in RULES]


def provisioned(folder: str) -> Mapping[str, Any]:
    """All rules, as a file that Grafana loads when it starts."""
    found = [{key: value for key, value in rule.items() if key != "ruleGroup"} for rule in rules()]
    return {
        "apiVersion": 1,
        "groups": [{"orgId": 1, "name": GROUP, "folder": folder, "interval": "1m", "rules": found}],
    }
