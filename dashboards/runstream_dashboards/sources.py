"""Where panels read, and a query to ClickHouse as its data source for Grafana wants it."""

from __future__ import annotations

import textwrap
from typing import Final

from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.models.common import DataSourceRef

CLICKHOUSE_TYPE: Final = "grafana-clickhouse-datasource"
PROMETHEUS_TYPE: Final = "prometheus"

CLICKHOUSE: Final = DataSourceRef(type_val=CLICKHOUSE_TYPE, uid="${datasource}")
"""The data source that the variable `datasource` chooses, so that a dashboard fits any Grafana."""
PROMETHEUS: Final = DataSourceRef(type_val=PROMETHEUS_TYPE, uid="${prometheus}")

PLUGIN_VERSION: Final = "4.20.0"
"""Of the ClickHouse data source: what its query editor makes of a query depends on it."""

TABLE: Final = 1
TIME_SERIES: Final = 0


class ClickHouseQuery(variants.Dataquery):
    """One statement. Format must always be written: its zero value means a time series."""

    def __init__(self, sql: str, ref_id: str, form: int, datasource: DataSourceRef) -> None:
        self.sql = sql
        self.ref_id = ref_id
        self.form = form
        self.datasource = datasource

    def to_json(self) -> dict[str, object]:
        """As the plugin reads it."""
        return {
            "refId": self.ref_id,
            "datasource": self.datasource,
            "editorType": "sql",
            "queryType": "timeseries" if self.form == TIME_SERIES else "table",
            "format": self.form,
            "rawSql": self.sql,
            "pluginVersion": PLUGIN_VERSION,
        }


class Sql(builder.Builder[variants.Dataquery]):
    """A panel's query to the store."""

    def __init__(self, sql: str, ref_id: str = "A", form: int = TABLE) -> None:
        self._query = ClickHouseQuery(statement(sql), ref_id, form, CLICKHOUSE)

    def build(self) -> variants.Dataquery:
        """The query."""
        return self._query


def statement(sql: str) -> str:
    """SQL as it is written in a module, without the module's indentation."""
    return textwrap.dedent(sql).strip()


def promql(expression: str, legend: str = "", ref_id: str = "A") -> prometheus.Dataquery:
    """A panel's query to Prometheus."""
    query = prometheus.Dataquery().datasource(PROMETHEUS).expr(expression).ref_id(ref_id).range()
    return query.legend_format(legend) if legend else query
