"""Freeing the space of deleted runs."""

from __future__ import annotations

from typing import Final

from clickhouse_connect.driver.client import Client

from runstream_ingest.topology import server_of
from runstream_schemas.layout import Layout

BULK_TABLES: Final = ("point", "rollup_16", "rollup_coarse", "series")
"""The tables that grow with points. Series comes last: it tells which runs still have rows to free."""

RUNS_AT_ONCE: Final = 500
"""Runs per DELETE: a statement of about 40 kB."""

_IN_THE_BACKGROUND: Final = {"lightweight_deletes_sync": 0, "distributed_ddl_task_timeout": 0}
"""A node of a cluster that is down deletes when it is back; nobody waits for it."""

_DELETED_WITH_ROWS: Final = """
SELECT run_id, until
FROM (SELECT run_id, max(until) AS until FROM deletion GROUP BY run_id) AS deleted
INNER JOIN (SELECT run_id, min(attempt) AS attempt FROM series GROUP BY run_id) AS oldest USING (run_id)
WHERE oldest.attempt <= deleted.until
"""


def free_deleted(client: Client, layout: Layout | None = None) -> int:
    """Free the space of deleted attempts, in the background of the store; the number of runs it concerns.

    Views hide them already, by the deletion itself, which stays: loading the log again brings rows back, still hidden,
    until this is called again. The layout is that of one server by default. Raises what the client raises.
    """
    layout = layout or server_of(client)
    runs = client.query(f"{layout.on_every_shard(_DELETED_WITH_ROWS)} ORDER BY run_id").result_rows
    for begin in range(0, len(runs), RUNS_AT_ONCE):
        some = runs[begin : begin + RUNS_AT_ONCE]
        condition = " OR ".join(f"(run_id = '{run_id}' AND attempt <= {until})" for run_id, until in some)
        for table in BULK_TABLES:
            client.command(f"{layout.delete_from(table)} WHERE {condition}", settings=_IN_THE_BACKGROUND)
    return len(runs)
