"""Everything that is written for a Grafana: dashboards, and alert rules."""

from __future__ import annotations

import json

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from runstream_dashboards import (
    alerts,
    compare,
    fleet,
    health,
    hyperparameters,
    pipeline,
    ranks,
    run,
    runs,
)
from runstream_dashboards.push import FOLDER_TITLE

PAGES = (runs, compare, run, health, hyperparameters, ranks, fleet, pipeline)
"""In the order in which one comes to them."""


def dashboards() -> list[Dashboard]:
    """All dashboards."""
    return [page.dashboard() for page in PAGES]


def files() -> dict[str, str]:
    """Path below the directory of Grafana's files, and content, the same on every machine."""
    found = {f"dashboards/{dashboard.uid}.json": _text(dashboard) for dashboard in dashboards()}
    # JSON is YAML, too.
    return {**found, "alerting/runstream.yml": _text(alerts.provisioned(FOLDER_TITLE))}


def _text(value: object) -> str:
    return json.dumps(value, cls=JSONEncoder, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
