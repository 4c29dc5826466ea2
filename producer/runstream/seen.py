"""The attempts that this directory has seen, so that a later attempt of a run is later than the earlier ones."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from runstream_schemas.limits import MAX_ATTEMPT_US, MIN_ATTEMPT_US

_in_this_process: dict[tuple[UUID, int], int] = {}


class SeenAttempts:
    """Remembers the newest attempt of each run and rank, one small file for each, and for this process in memory."""

    def __init__(self, journal_dir: Path) -> None:
        self._dir = journal_dir / "seen"

    def newest(self, run_id: UUID, rank: int) -> int | None:
        """The newest attempt known, in µs, or None for a run never seen. Raises nothing."""
        known = [_in_this_process.get((run_id, rank), 0)]
        try:
            text = self._path(run_id, rank).read_text(errors="replace")
            attempt = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
            # A damaged file, or an empty one from a full disk, says that the run was here, but not when.
            known.append(attempt if MIN_ATTEMPT_US <= attempt < MAX_ATTEMPT_US else MIN_ATTEMPT_US)
        except OSError:
            pass
        return max(known) or None

    def any_rank(self, run_id: UUID) -> bool:
        """Whether any rank of the run was seen. Raises nothing."""
        if any(seen == run_id for seen, _ in _in_this_process):
            return True
        try:
            return any(self._dir.glob(f"{run_id}.*"))
        except OSError:
            return False

    def remember(self, run_id: UUID, rank: int, attempt: int) -> None:
        """Note an attempt. Raises nothing: without a directory it is known in this process only."""
        _in_this_process[run_id, rank] = attempt
        try:
            self._dir.mkdir(parents=True, exist_ok=True)
            self._path(run_id, rank).write_text(str(attempt))
        except OSError:
            pass

    def _path(self, run_id: UUID, rank: int) -> Path:
        return self._dir / f"{run_id}.{rank}"
