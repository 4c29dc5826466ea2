"""Freeing the space of deleted runs."""

from __future__ import annotations

from typing import Final

from clickhouse_connect.driver.client import Client

BULK_TABLES: Final = ("point", "rollup_16", "rollup_coarse", "series")
"""The tables that grow with points. Series comes last: it tells which runs still have rows to free."""

RUNS_AT_ONCE: Final = 500
"""Runs per DELETE: a statement of about 40 kB."""

_DELETED_WITH_ROWS: Final = """
SELECT run_id, until
FROM (SELECT run_id, max(until) AS until FROM deletion GROUP BY run_id) AS deleted
INNER JOIN (SELECT run_id, min(attempt) AS attempt FROM series GROUP BY run_id) AS oldest USING (run_id)
WHERE oldest.attempt <= deleted.until
ORDER BY run_id
"""


def free_deleted(client: Client) -> int:
    """Free the space of deleted attempts, in the background of the store; the number of runs it concerns.

    Views hide them already, by the deletion itself, which stays: loading the log again brings rows back, still hidden,
    until this is called again. Raises what the client raises.
    """
    runs = client.query(_DELETED_WITH_ROWS).result_rows
    for begin in range(0, len(runs), RUNS_AT_ONCE):
        some = runs[begin : begin + RUNS_AT_ONCE]
        condition = " OR ".join(f"(run_id = '{run_id}' AND attempt <= {until})" for run_id, until in some)
        for table in BULK_TABLES:
            client.command(f"DELETE FROM {table} WHERE {condition}", settings={"lightweight_deletes_sync": 0})
    return len(runs)
