"""The file of alert rules, as Grafana loads it."""

import json
from typing import Any

import yaml

from runstream_dashboards.alerts import RULES
from runstream_dashboards.every import files
from runstream_dashboards.push import FOLDER_TITLE


def test_the_file_of_rules_can_be_loaded_by_grafana() -> None:
    found: dict[str, Any] = yaml.safe_load(files()["alerting/runstream.yml"])
    assert found == json.loads(files()["alerting/runstream.yml"])
    ((group,), version) = (found["groups"], found["apiVersion"])
    assert (version, group["folder"]) == (1, FOLDER_TITLE)
    uids = [rule["uid"] for rule in group["rules"]]
    assert len(set(uids)) == len(uids) == len(RULES) and all(len(uid) <= 40 for uid in uids)
    for rule in group["rules"]:
        assert {query["refId"] for query in rule["data"]} >= {rule["condition"]}
        assert {query["datasourceUid"] for query in rule["data"]} <= {"clickhouse", "prometheus", "__expr__"}
    # Grafana would put a variable of its environment there.
    assert "$" not in files()["alerting/runstream.yml"]
