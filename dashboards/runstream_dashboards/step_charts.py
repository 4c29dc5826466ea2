"""Charts over steps: Trend panels, which draw one frame whose x is a number.

Their queries give long rows (step, labels, value). Two transformations make one wide frame of them: a column for each
combination of labels, joined by step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from grafana_foundation_sdk.builders import common, dashboard, trend
from grafana_foundation_sdk.models.common import (
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    ScaleDistribution,
    SortOrder,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, FieldColorModeId

from runstream_dashboards.look import BAD_COLOUR, BAND_COLOUR, RAW_COLOUR, SLOT_COLOURS, fixed, properties
from runstream_dashboards.sources import CLICKHOUSE, Sql

LOGARITHMIC: Final = common.ScaleDistributionConfig().type(ScaleDistribution.SYMLOG).log(10).linear_threshold(1e-3)
"""A plain logarithm would drop zero and what is negative."""

KINDS: Final = """arrayConcat(
            ['smooth'], if(wide, ['least', 'greatest'], []), if(isNotNull(first_bad), ['NaN/Inf'], []))"""
"""Kinds of line of which a row of `chart_lines` has a value, where `wide` says whether its line has extremes."""
VALUE: Final = "multiIf(k = 'raw', value, k = 'least', min, k = 'greatest', max, k = 'NaN/Inf', first_bad, smooth)"
"""The value of the kind `k`, as `smoothed` knows them."""


def at_least_one_row(sql: str) -> str:
    """The same rows, unordered, or one of zeros and NULLs where there is none: without a row a panel complains."""
    return f"""
        SELECT * EXCEPT joined FROM (SELECT 1 AS joined) AS once
        LEFT JOIN (SELECT 1 AS joined, * FROM ({sql})) AS found USING joined"""


def lines(
    title: str,
    description: str,
    sql: str,
    labels: Sequence[str],
    name: str,
    *,
    x: str = "step",
    x_name: str = "",
    link: tuple[str, str] | None = None,
    log: bool = False,
) -> trend.Panel:
    """A line for each combination of labels; the legend shows `name`, a click leads to `link` (title, address).

    The statement gives x, then the labels, then the value, in the order that the colours are to follow.
    """
    panel = _chart(title, description, sql, x).display_name(name)
    partition = {"fields": list(labels), "keepFields": False, "naming": {"asLabels": True}}
    panel = panel.with_transformation(DataTransformerConfig(id_val="partitionByValues", options=partition))
    joined = {"byField": x, "mode": "outer"}
    panel = panel.with_transformation(DataTransformerConfig(id_val="joinByField", options=joined))
    if log:
        panel = panel.scale_distribution(LOGARITHMIC)
    if link:
        defaults = _defaults(panel)
        defaults.links = [{"title": link[0], "url": link[1]}]
    return _with_x(panel, x, x_name or x)


def smoothed(panel: trend.Panel, name: str) -> trend.Panel:
    """Lines whose names end with the label `k`: smooth; raw, least, greatest, which recede; NaN/Inf, which are dots."""
    unseen = {"legend": True, "tooltip": True, "viz": False}
    receding = {"custom.lineWidth": 0.5, "color": fixed(RAW_COLOUR), "custom.hideFrom": unseen}
    bad = {
        "custom.drawStyle": "points",
        "custom.showPoints": "always",
        "custom.pointSize": 10,
        "color": fixed(BAD_COLOUR),
        "custom.hideFrom": {**unseen, "tooltip": False},
    }
    panel = panel.override_by_regexp("/ (raw|least|greatest)$/", properties(receding))
    panel = panel.override_by_regexp("/ NaN.Inf$/", properties(bad))
    return panel.override_by_regexp("/ smooth$/", properties({"custom.lineWidth": 2, "displayName": name}))


def band(
    title: str,
    description: str,
    sql: str,
    fans: Sequence[tuple[str, str, int]],
    line: str,
    *,
    names: Mapping[str, str] | None = None,
) -> trend.Panel:
    """Fixed columns: areas between two of them (lower, upper, opacity in percent), and one line.

    A column `bad` that holds a value at one step only is a red mark there. `names` says what the legend calls columns.
    """
    panel = _chart(title, description, sql, "step")
    for lower, upper, opacity in fans:
        panel = _area(panel, lower, upper, opacity, BAND_COLOUR)
    panel = panel.override_by_name(line, properties({"custom.lineWidth": 2, "color": fixed(BAND_COLOUR)}))
    for column, shown in (names or {}).items():
        panel = panel.override_by_name(column, properties({"displayName": shown}))
    mark = {
        "displayName": "first NaN/Inf",
        "custom.drawStyle": "bars",
        "custom.barWidthFactor": 0.1,
        "custom.lineWidth": 2,
        "custom.fillOpacity": 100,
        "color": fixed(BAD_COLOUR),
    }
    return _with_x(panel.override_by_name("bad", properties(mark)), "step", "step")


def duel(title: str, description: str, sql: str, names: Mapping[str, str]) -> trend.Panel:
    """A line with its band for each of two slots: columns `<slot>_last`, `<slot>_min`, `<slot>_max`."""
    panel = _chart(title, description, sql, "step")
    for (slot, name), colour in zip(names.items(), SLOT_COLOURS, strict=True):
        panel = _area(panel, f"{slot}_min", f"{slot}_max", 15, colour)
        line = {"custom.lineWidth": 2, "color": fixed(colour), "displayName": name}
        panel = panel.override_by_name(f"{slot}_last", properties(line))
    return _with_x(panel, "step", "step")


def _area(panel: trend.Panel, lower: str, upper: str, opacity: int, colour: str) -> trend.Panel:
    edge = {
        "custom.lineWidth": 0,
        "custom.hideFrom": {"legend": True, "tooltip": True, "viz": False},
        "color": fixed(colour),
    }
    panel = panel.override_by_name(lower, properties(edge))
    return panel.override_by_name(
        upper, properties({**edge, "custom.fillBelowTo": lower, "custom.fillOpacity": opacity})
    )


def _chart(title: str, description: str, sql: str, x: str) -> trend.Panel:
    panel = trend.Panel().title(title).description(description).datasource(CLICKHOUSE).with_target(Sql(sql)).x_field(x)
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    panel = panel.legend(legend.show_legend(True).calcs([]))
    panel = panel.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.ASCENDING))
    # A series of one point would not show without its point.
    panel = panel.draw_style(GraphDrawStyle.LINE).line_width(1).fill_opacity(0).show_points(VisibilityMode.AUTO)
    panel = panel.color_scheme(dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
    return panel.unit("short").no_value("no data: choose another metric or run")


def _with_x(panel: trend.Panel, x: str, name: str) -> trend.Panel:
    # What is set for all fields rules the x axis as well: a logarithm or a limit there breaks the chart.
    plain = {
        "displayName": name,
        "unit": "none",
        "decimals": 0,
        "min": None,
        "max": None,
        "custom.axisLabel": name,
        "custom.scaleDistribution": {"type": "linear"},
    }
    return panel.override_by_name(x, properties(plain))


def _defaults(panel: trend.Panel) -> Any:
    config = panel.build().field_config
    assert config is not None
    return config.defaults
