"""All dashboards, and the files that Grafana loads."""

from __future__ import annotations

import json

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from runstream_dashboards import compare, fleet, health, hyperparameters, pipeline, ranks, run, runs

FOLDER = "runstream"


def dashboards() -> list[Dashboard]:
    """All of them, in the order in which one comes to them."""
    return [module.dashboard() for module in (runs, compare, run, health, hyperparameters, ranks, fleet, pipeline)]


def files() -> dict[str, str]:
    """Name and content of each file, the same on every machine."""
    return {
        f"{dashboard.uid}.json": json.dumps(dashboard, cls=JSONEncoder, indent=2, ensure_ascii=False, sort_keys=True)
        + "\n"
        for dashboard in dashboards()
    }
