"""What deleting a run takes away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from runstream_analytics.reader import Reader


@dataclass(frozen=True)
class Deletable:
    """A run and how much there is of it."""

    run_id: UUID
    name: str
    experiment: str
    state: str
    started: datetime
    points: int
    artifacts: int
    newest_attempt: int
    """Microseconds; deleting must reach at least so far."""

    def as_object(self) -> dict[str, Any]:
        """For a script."""
        return {
            "run_id": str(self.run_id),
            "name": self.name,
            "experiment": self.experiment,
            "state": self.state,
            "points": self.points,
            "artifacts": self.artifacts,
        }


def deletable(reader: Reader, run_ids: Sequence[UUID]) -> list[Deletable]:
    """The runs in that order. Raises UserError."""
    rows = reader.rows(
        """
        SELECT r.run_id, r.name, r.experiment, r.state, r.started, l.points, a.artifacts, l.newest
        FROM (SELECT * FROM runs WHERE run_id IN {runs:Array(UUID)}) AS r
        LEFT JOIN (
            SELECT run_id, sum(stored) AS points, max(attempt) AS newest
            FROM ledger WHERE run_id IN {runs:Array(UUID)} GROUP BY run_id
        ) AS l ON l.run_id = r.run_id
        LEFT JOIN (
            SELECT run_id, count() AS artifacts FROM artifacts WHERE run_id IN {runs:Array(UUID)} GROUP BY run_id
        ) AS a ON a.run_id = r.run_id
        """,
        {"runs": list(run_ids)},
    )
    found = {row[0]: Deletable(*row) for row in rows}
    return [found[run_id] for run_id in run_ids if run_id in found]
