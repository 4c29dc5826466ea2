"""One value against another: XY charts."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import xychart

from runstream_dashboards.look import properties
from runstream_dashboards.sources import CLICKHOUSE, Sql


def points(
    title: str,
    description: str,
    sql: str,
    *,
    x: str,
    y: str,
    colour: str,
    x_name: str,
    y_name: str,
    link: tuple[str, str],
) -> xychart.Panel:
    """A point for each row; the column `colour` is a number that a continuous scheme shows."""
    panel = xychart.Panel().title(title).description(description).datasource(CLICKHOUSE).with_target(Sql(sql))

    def by_name(column: str) -> dict[str, Any]:
        return {"matcher": {"id": "byName", "options": column}}

    # Without the matcher of the frame, and without a continuous scheme for the colour, Grafana draws nothing.
    series = {
        "frame": {"matcher": {"id": "byIndex", "options": 0}},
        "x": by_name(x),
        "y": by_name(y),
        "color": by_name(colour),
    }
    panel.build().options = {
        "mapping": "manual",
        "series": [series],
        "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    config: Any = panel.build().field_config
    config.defaults.custom = {"show": "points", "pointSize": {"fixed": 6}, "fillOpacity": 50}
    config.defaults.links = [{"title": link[0], "url": link[1]}]
    logarithmic = {"type": "symlog", "log": 10, "linearThreshold": 1e-6}
    panel = panel.override_by_name(
        x, properties({"displayName": x_name, "custom.axisLabel": x_name, "custom.scaleDistribution": logarithmic})
    )
    panel = panel.override_by_name(y, properties({"displayName": y_name, "custom.axisLabel": y_name}))
    panel = panel.override_by_name(colour, properties({"color": {"mode": "continuous-BlYlRd"}}))
    return panel.no_value("no run has both")
