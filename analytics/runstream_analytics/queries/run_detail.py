"""Everything about one run."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from runstream_analytics.queries.ledgers import ledgers
from runstream_analytics.reader import Reader


def run_detail(reader: Reader, run_id: UUID) -> dict[str, Any]:
    """The run's row, and under the names of their views what else there is of it."""
    one = {"run": run_id}
    where = "WHERE run_id = {run:UUID}"
    run = reader.objects(f"SELECT * FROM runs {where}", one)[0]
    params = reader.objects(f"SELECT key, value, text FROM params {where} ORDER BY key", one)
    return {
        **run,
        "params": {row["key"]: orjson.loads(row["value"]) for row in params},
        "tags": {row[0]: row[1] for row in reader.rows(f"SELECT key, value FROM tags {where} ORDER BY key", one)},
        "metrics": _without_run(reader.objects(f"SELECT * FROM metric_summary {where} ORDER BY metric", one)),
        "artifacts": _without_run(reader.objects(f"SELECT * FROM artifacts {where} ORDER BY name, version", one)),
        "attempts": _without_run(reader.objects(f"SELECT * FROM attempts {where} ORDER BY rank, number", one)),
        "environment": _without_run(reader.objects(f"SELECT * FROM environment {where} ORDER BY node, rank", one)),
        "ledger": _without_run(ledgers(reader, [run_id])),
    }


def _without_run(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "run_id"} for row in rows]
