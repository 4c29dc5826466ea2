"""The ledger: whether everything that was logged is stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from runstream_analytics.reader import Reader


def ledgers(reader: Reader, run_ids: Sequence[UUID] | None) -> list[dict[str, Any]]:
    """One row per run, rank and attempt; of all runs for None. Raises UserError."""
    chosen = "" if run_ids is None else "WHERE run_id IN {runs:Array(UUID)}"
    return reader.objects(
        "SELECT l.run_id AS run_id, r.name AS name, rank, attempt, number, logged, queued, stored, dead_lettered, "
        "pending, dropped, last_seq, missing_seqs, final, verdict "
        f"FROM (SELECT * FROM ledger {chosen}) AS l LEFT JOIN (SELECT run_id, name, started FROM runs) AS r "
        "ON r.run_id = l.run_id ORDER BY r.started, l.run_id, rank, attempt",
        None if run_ids is None else {"runs": list(run_ids)},
    )


def knowing_spill(
    rows: Sequence[Mapping[str, Any]], spilled: Collection[tuple[UUID, int, int]]
) -> list[dict[str, Any]]:
    """The same ledgers, where a batch that is absent is pending if its attempt has a spill here.

    The store takes a gap below a later batch for a loss; but live batches do not wait for spilled ones.
    """
    return [
        {**row, "verdict": "pending"}
        if row["verdict"] == "missing"
        and row["missing_seqs"]
        and not row["dead_lettered"]
        and (row["run_id"], row["rank"], row["attempt"]) in spilled
        else dict(row)
        for row in rows
    ]
