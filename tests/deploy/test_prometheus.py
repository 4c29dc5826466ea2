import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deploy import network

HERE = Path(__file__).parent
CONFIGURATION = HERE.parents[1] / "deploy/prometheus/prometheus.yml"

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="no Prometheus on this machine (Debian: apt-get install prometheus)",
)


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], check=False, cwd=HERE, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_accepts_the_configuration_and_its_rules() -> None:
    promtool("check", "config", str(CONFIGURATION))
    promtool("check", "rules", *map(str, sorted(CONFIGURATION.parent.glob("rules/*.yml"))))


def test_alerts_fire_in_trouble_and_only_then() -> None:
    promtool("test", "rules", "rules_test.yml")


def test_every_alert_is_tested() -> None:
    rules = yaml.safe_load((CONFIGURATION.parent / "rules/runstream.yml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    tests = yaml.safe_load((HERE / "rules_test.yml").read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == alerts
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} == alerts


def test_queries_for_a_dashboard_are_promql(tmp_path: Path) -> None:
    page = (HERE.parents[1] / "docs/operations.md").read_text()
    [block] = re.findall(r"^```promql\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    queries = [line for line in block.splitlines() if not line.startswith("#")]
    assert len(queries) > 10
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(file))


def test_prometheus_scrapes_every_worker_and_evaluates_every_rule(tmp_path: Path) -> None:
    if why := network.missing():
        pytest.skip(why)
    start = [sys.executable, str(HERE / "start_prometheus.py"), str(CONFIGURATION), str(tmp_path)]
    seen = json.loads(network.run_inside(start, timeout_s=110))
    assert seen["targets"] == [
        ["clickhouse", "clickhouse:9363", "down"],
        ["kafka", "kafka-exporter:9308", "down"],
        ["runstream-ingest", "127.0.0.1:9108", "up"],
        ["runstream-ingest", "127.0.0.2:9108", "up"],
    ]
    assert {series["instance"] for series in seen["series"]} == {"127.0.0.1:9108", "127.0.0.2:9108"}
    assert [name for name, health in seen["rules"] if health != "ok"] == []
