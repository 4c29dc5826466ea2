"""Tables, numbers and texts as they look everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from grafana_foundation_sdk.builders import common, stat, table, text, timeseries
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    LegendDisplayMode,
    LegendPlacement,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from runstream_dashboards.look import coloured, properties
from runstream_dashboards.sources import CLICKHOUSE, PROMETHEUS, TIME_SERIES, Sql, promql


@dataclass(frozen=True)
class Column:
    """How a column of a table looks."""

    name: str
    width: int = 0
    unit: str = ""
    decimals: int | None = None
    title: str = ""
    """Shown instead of the name; may hold variables."""
    words: dict[str, str] = field(default_factory=dict)
    """Colour of each word."""
    link: tuple[str, str] | None = None
    """Title and address."""
    gauge: bool = False
    hidden: bool = False

    def properties(self) -> list[DynamicConfigValue]:
        """As overrides of the field."""
        found: dict[str, Any] = {}
        if self.title:
            found["displayName"] = self.title
        if self.width:
            found["custom.width"] = self.width
        if self.unit:
            found["unit"] = self.unit
        if self.decimals is not None:
            found["decimals"] = self.decimals
        if self.words:
            found["mappings"] = coloured(self.words)
            found["custom.cellOptions"] = {"type": "color-background", "mode": "basic"}
        if self.link:
            found["links"] = [{"title": self.link[0], "url": self.link[1]}]
        if self.gauge:
            found["custom.cellOptions"] = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
            found["color"] = {"mode": "continuous-GrYlRd"}
        if self.hidden:
            found["custom.hideFrom.viz"] = True
        return properties(found)


def sql_table(
    title: str,
    description: str,
    sql: str,
    columns: Sequence[Column] = (),
    *,
    empty: str = "nothing here",
    paginated: bool = False,
    frozen: int = 0,
) -> table.Panel:
    """Rows as the statement gives them."""
    panel = table.Panel().title(title).description(description).datasource(CLICKHOUSE).with_target(Sql(sql))
    panel = panel.filterable(True).no_value(empty)
    for column in columns:
        panel = panel.override_by_name(column.name, column.properties())
    # The SDK does not know pagination and frozen columns of Grafana 12 yet.
    panel.build().options = {
        "showHeader": True,
        "cellHeight": "sm",
        "frameIndex": 0,
        "enablePagination": paginated,
        "frozenColumns": {"left": frozen},
    }
    return panel


def number(
    title: str, description: str, sql: str, *, unit: str = "none", words: dict[str, str] | None = None
) -> stat.Panel:
    """Every column of one row, large."""
    panel = stat.Panel().title(title).description(description).datasource(CLICKHOUSE).with_target(Sql(sql))
    panel = panel.unit(unit).graph_mode(BigValueGraphMode.NONE).text_mode(BigValueTextMode.AUTO).no_value("–")
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("/.*/").values(False))
    return panel.color_mode(BigValueColorMode.VALUE).mappings(coloured(words or {}))


def note(markdown: str) -> text.Panel:
    """A text, which may hold variables."""
    return text.Panel().title("").description("How to use this page.").transparent(True).content(markdown)


def over_time(title: str, description: str, sql: str, *, unit: str = "short") -> timeseries.Panel:
    """Series on the wall clock, from the store: columns time, then labels, then a number."""
    return _clock(title, description, unit).datasource(CLICKHOUSE).with_target(Sql(sql, form=TIME_SERIES))


def measured(
    title: str, description: str, expressions: Sequence[tuple[str, str]], *, unit: str = "short"
) -> timeseries.Panel:
    """Series on the wall clock, from Prometheus: expressions with what to call them."""
    panel = _clock(title, description, unit).datasource(PROMETHEUS)
    for number_, (expression, legend) in enumerate(expressions):
        panel = panel.with_target(promql(expression, legend, "ABCDEFGH"[number_]))
    return panel


def _clock(title: str, description: str, unit: str) -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    panel = timeseries.Panel().title(title).description(description).unit(unit).legend(legend.show_legend(True))
    return panel.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI)).no_value("no data")
