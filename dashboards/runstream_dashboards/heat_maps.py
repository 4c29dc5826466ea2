"""Heat maps over steps: one row of cells for each column of the matrix."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import heatmap
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig

from runstream_dashboards.sources import CLICKHOUSE, Sql

OPTIONS: dict[str, Any] = {
    "calculate": False,
    # Reversed, so that red is high.
    "color": {
        "mode": "scheme",
        "scheme": "Turbo",
        "reverse": True,
        "scale": "linear",
        "steps": 64,
        "exponent": 0.5,
        "fill": "dark-orange",
    },
    "rowsFrame": {"layout": "auto"},
    "cellGap": 0,
    "cellValues": {},
    "exemplars": {"color": "rgba(255,0,255,0.7)"},
    "filterValues": {},
    "legend": {"show": True},
    "showValue": "never",
    "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": True},
    "yAxis": {"axisPlacement": "left"},
}
"""As a Grafana was seen to draw it: without some of the empty objects it fails."""


def matrix(title: str, description: str, sql: str, *, column: str, row: str, value: str) -> heatmap.Panel:
    """Rows of (x, name, value) as a map of x × name. The statement is ordered by x, then name."""
    panel = heatmap.Panel().title(title).description(description).datasource(CLICKHOUSE).with_target(Sql(sql))
    made = {"columnField": column, "rowField": row, "valueField": value, "emptyValue": "null"}
    panel = panel.with_transformation(DataTransformerConfig(id_val="groupingToMatrix", options=made))
    panel.build().options = OPTIONS
    return panel.no_value("no data")
