"""Topics of a broker as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.table import Table

from runstream_analytics.render.tables import plain_table
from runstream_ingest.topics import Topic

_HOUR_MS: Final = 3_600_000


def topics_table(topics: Sequence[Topic]) -> Table:
    """One row per topic."""
    table = plain_table()
    table.add_column("topic", overflow="fold")
    for name in ("partitions", "replicas", "in sync", "kept", "message bytes"):
        table.add_column(name, justify="right")
    for topic in topics:
        config = topic.config
        table.add_row(
            topic.name,
            str(topic.partitions),
            str(topic.replicas),
            config.get("min.insync.replicas", ""),
            "newest of a key" if config.get("cleanup.policy") == "compact" else _kept(config.get("retention.ms", "-1")),
            config.get("max.message.bytes", ""),
        )
    return table


def _kept(milliseconds: str) -> str:
    return "for ever" if int(milliseconds) < 0 else f"{int(milliseconds) / _HOUR_MS:g} h"
