"""State timelines: what something was, from when to when, on the wall clock."""

from __future__ import annotations

from collections.abc import Mapping

from grafana_foundation_sdk.builders import common, statetimeline
from grafana_foundation_sdk.models.common import (
    LegendDisplayMode,
    LegendPlacement,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig

from runstream_dashboards.look import coloured
from runstream_dashboards.sources import CLICKHOUSE, Sql


def timeline(title: str, description: str, sql: str, *, label: str, words: Mapping[str, str]) -> statetimeline.Panel:
    """Rows of (time, label, word): a line for each label, where a word holds until the next one, or for ever.

    The statement is ordered by line, then time, and gives a row in any case: without one Grafana misses the time.
    """
    panel = statetimeline.Panel().title(title).description(description).datasource(CLICKHOUSE).with_target(Sql(sql))
    partition = {"fields": [label], "keepFields": False, "naming": {"asLabels": True}}
    panel = panel.with_transformation(DataTransformerConfig(id_val="partitionByValues", options=partition))
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    panel = panel.legend(legend.show_legend(True)).tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.SINGLE))
    panel = panel.merge_values(True).show_value(VisibilityMode.AUTO).row_height(0.8)
    return panel.mappings(coloured(words)).display_name(f"${{__field.labels.{label}}}").no_value("nothing here")
