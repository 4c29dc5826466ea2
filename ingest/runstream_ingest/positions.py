"""Positions in log directories, kept in the store's table log_position.

They are written after the insert that they speak of, so losing them costs reading again and never an event.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from clickhouse_connect.driver.client import Client

from runstream_ingest.sources.source import Partition, Positions


def load(client: Client, roots: Sequence[Path]) -> dict[Partition, int]:
    """The positions of all files of some log directories. Raises what the client raises."""
    found: dict[Partition, int] = {}
    for root in {str(root.resolve()) for root in roots}:
        rows = client.query(
            "SELECT substring(file, length({root:String}) + 2), max(offset) FROM log_position "
            "WHERE startsWith(file, concat({root:String}, '/')) GROUP BY file",
            parameters={"root": root},
        ).result_rows
        found.update({Partition(root, name): offset for name, offset in rows})
    return found


def save(client: Client, positions: Positions) -> None:
    """Write positions. Raises what the client raises."""
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = [[f"{partition.source}/{partition.name}", offset, now] for partition, offset in positions.items()]
    client.insert("log_position", rows, column_names=("file", "offset", "updated"))
