"""Findings: diagnoses, and summaries of resumed runs, which views cannot find out fast enough for thousands of runs.

All of them follow from what is in the store (tables/0440_finding.sql), so that renewing them twice, late or not at all
loses nothing: a run is due until it has been looked at after its last event.
"""

from __future__ import annotations

from typing import Final

from clickhouse_connect.driver.client import Client

RUNS_AT_ONCE: Final = 5000
"""Runs per statement, which has 200 kB then: ClickHouse takes 256 KiB."""

SETTLE_S: Final = 120.0
"""An insert on a server is visible after this at the latest: whoever inserts takes it for failed then. The clocks of a
cluster's nodes may differ as much."""

_BESIDE: Final = {"max_threads": 1}
"""Nobody waits for it, and loading goes on: the other cores are for that."""

_NOW: Final = "toUnixTimestamp64Micro(now64(6, 'UTC'))"


def renew(client: Client, settle_s: float) -> int:
    """Look at every run that is due, and write down what is found; the number of these runs.

    Inserts that began more than `settle_s` seconds ago must have ended: 0 where nobody inserts now. Raises what the
    client raises; what is written by then stays.
    """
    # Later than all looks before, whatever the clock says: of two findings the one with the later look holds.
    read_at = int(client.query(f"SELECT greatest({_NOW}, max(read_at) + 1) FROM run_finding").result_rows[0][0])
    due = f"SELECT toString(run_id) AS run FROM due_run(settle_us = {int(settle_s * 1e6)}) ORDER BY run"
    runs = [str(run) for (run,) in client.query(due).result_rows]
    for begin in range(0, len(runs), RUNS_AT_ONCE):
        some = ", ".join(f"'{run}'" for run in runs[begin : begin + RUNS_AT_ONCE])
        # A run's row says that its summaries are there: they come first.
        if client.query(f"SELECT 1 FROM amended_run WHERE run_id IN ({some}) LIMIT 1").result_rows:
            _write(client, "summary_finding", read_at, some)
        _write(client, "run_finding", read_at, some)
    return len(runs)


def _write(client: Client, table: str, read_at: int, runs: str) -> None:
    found = f"SELECT {read_at}, * FROM {table}_now WHERE run_id IN ({runs})"
    client.command(f"INSERT INTO {table} {found}", settings=_BESIDE)


def last_look_s_ago(client: Client) -> float:
    """Seconds since anybody wrote a finding; negative when the clock was put back since."""
    return int(client.query(f"SELECT {_NOW} - max(read_at) AS ago FROM run_finding").result_rows[0][0]) / 1e6
