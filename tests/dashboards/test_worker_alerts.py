"""Alert rules on the worker's metrics: promtool evaluates each on series that fire it and on series that do not."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from runstream_dashboards.alerts import RULES

pytestmark = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="no promtool (Debian: apt-get install prometheus)"
)

EXPRESSIONS = {rule.uid: rule for rule in RULES if rule.source == "prometheus"}
DEAD, HALVED, LAG = "runstream-dead-letters", "runstream-throughput-halved", "runstream-lag-grows"

WAIT = 'runstream_ingest_lag_messages{instance="a", topic="runstream.metric", partition="0"}'
POINTS = 'runstream_ingest_points_total{instance="a", outcome="stored"}'
METRIC_STORED = 'runstream_ingest_messages_total{instance="a", event="metric", outcome="stored"}'
METRIC_DEAD = 'runstream_ingest_messages_total{instance="a", event="metric", outcome="dead"}'
TAG_DEAD = 'runstream_ingest_messages_total{instance="a", event="tag", outcome="dead"}'

# Series with their values at each minute; then rule, minute, and whether it fires.
CASES: dict[str, tuple[dict[str, str], list[tuple[str, int, bool]]]] = {
    "all is well": (
        {POINTS: "0+1000x150", WAIT: "5x150", METRIC_STORED: "0+10x150"},
        [(DEAD, 140, False), (HALVED, 140, False), (LAG, 140, False)],
    ),
    "nothing is there": ({}, [(DEAD, 60, False), (HALVED, 60, False), (LAG, 60, False)]),
    "the first dead letter of all": (
        {METRIC_DEAD: "_x20 1x40"},
        [(DEAD, 19, False), (DEAD, 25, True), (DEAD, 50, False)],
    ),
    "the first one of an event, after old ones of another": (
        {METRIC_DEAD: "5x60", TAG_DEAD: "_x20 1x40"},
        [(DEAD, 19, False), (DEAD, 25, True)],
    ),
    "more of an event that had some": (
        {METRIC_DEAD: "5x20 8x40"},
        [(DEAD, 19, False), (DEAD, 25, True), (DEAD, 50, False)],
    ),
    "the workers slow down": (
        {POINTS: "0+1000x90 90100+100x60", WAIT: "0x90 0+900x60"},
        [(HALVED, 80, False), (HALVED, 120, True), (LAG, 80, False), (LAG, 120, True)],
    ),
    "the workers store a little less than half": (
        {POINTS: "0+1000x90 90450+450x60", WAIT: "0x90 0+550x60"},
        [(HALVED, 80, False), (HALVED, 115, True)],
    ),
    "the workers store a little more than half": (
        {POINTS: "0+1000x90 90550+550x60", WAIT: "0x90 0+450x60"},
        [(HALVED, minute, False) for minute in range(90, 150, 5)],
    ),
    "jobs end": ({POINTS: "0+1000x90 90000x60", WAIT: "0x150"}, [(HALVED, 80, False), (HALVED, 120, False)]),
    "a backlog is worked off": ({WAIT: "1000000-9000x60"}, [(LAG, 50, False)]),
    "a few messages more": ({WAIT: "0+10x60"}, [(LAG, 50, False)]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_rule_fires_for_its_trouble_and_for_nothing_else(case: str, tmp_path: Path) -> None:
    series, expected = CASES[case]
    # As Grafana evaluates it: the number is above zero for so long.
    rules = [{"alert": uid, "expr": f"({rule.query}) > 0", "for": rule.lasting} for uid, rule in EXPRESSIONS.items()]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            {"alertname": uid, "eval_time": f"{minute}m", "exp_alerts": [{}] if fires else []}
            for uid, minute, fires in expected
        ],
    }
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "rules", "rules": rules}]}))
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "tests": [test]}))
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yml"], check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_on_the_worker_is_tested_both_ways() -> None:
    outcomes = {(uid, fires) for _, expected in CASES.values() for uid, _, fires in expected}
    assert outcomes == {(uid, fires) for uid in EXPRESSIONS for fires in (True, False)}
