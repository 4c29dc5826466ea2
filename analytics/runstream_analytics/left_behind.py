"""What processes left behind: journals of killed ones, batches in spill/, and artifacts in staging."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from runstream.artifacts.completion import complete_pending
from runstream.sync import sync_journals, sync_spills
from runstream_analytics.errors import UserError
from runstream_analytics.log_events import append_event
from runstream_schemas.settings import Settings

_DONE: Final = ("shipped", "stored", "referenced", "in use")
"""Outcomes that leave nothing to do; a file in use belongs to a process that is still at it."""


@dataclass(frozen=True)
class LeftBehind:
    """One thing that was left behind, and what became of it."""

    kind: str
    """journal, spill or artifact."""
    what: str
    """Path of the journal or of the spill, or name of the artifact."""
    run_id: str
    points: int
    """Points that the journal's attempt logged, or that the spill held; 0 for an artifact."""
    outcome: str
    error: str

    @property
    def remains(self) -> bool:
        """Whether it is still to be done, or failed for good."""
        return self.outcome not in _DONE

    def as_object(self) -> dict[str, Any]:
        """For a script."""
        return asdict(self)


def ship_all(settings: Settings, timeout_s: float) -> Iterator[LeftBehind]:
    """Ship everything, artifacts last: an artifact's event then finds its run. Raises nothing."""
    shipping = {
        "journal": sync_journals(settings, timeout_s=timeout_s),
        "spill": sync_spills(settings, timeout_s=timeout_s),
    }
    for kind, found in shipping.items():
        for item in found:
            yield LeftBehind(kind, str(item.path), item.run_id, item.points, item.outcome, item.error)
    root = settings.artifacts if settings.sources["artifacts"] == "argument" else None
    for done in complete_pending(settings.dir / "staging", root, lambda record: _record(settings, record)):
        yield LeftBehind("artifact", done.name, done.run_id, 0, done.outcome, done.error)


def _record(settings: Settings, record: dict[str, Any]) -> bool:
    try:
        append_event(settings, "artifact", record, attempt=record["attempt"])
    except UserError:
        return False
    return True
