"""What does not change over the attempts of a run in this process, and what was captured of its surroundings."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from runstream_schemas.settings import Settings

from .identity import JobIdentity

NO_CODE = {"commit": "", "branch": "", "remote": "", "dirty": False, "diff": "", "untracked": []}


@dataclass(frozen=True)
class RunDescription:
    """What is the same for all attempts of a run in this process and its children."""

    settings: Settings
    identity: JobIdentity
    experiment: str
    name: str
    resume: str
    start_step: int | None

    @property
    def run_id(self) -> UUID:
        """The run."""
        return self.identity.run_id

    @property
    def staging_dir(self) -> Path:
        """Artifacts that wait for their upload."""
        return self.settings.dir / "staging"

    @property
    def sync_command(self) -> str:
        """What a person types to ship what this run left behind, from any directory."""
        return f"`runstream sync --dir {shlex.quote(str(self.settings.dir))}`"


@dataclass(frozen=True)
class Captured:
    """What the run event says beside the run's identity."""

    code: dict[str, Any]
    packages: list[str]
    packages_hash: str
    environment: dict[str, str]
    command: list[str]
    device: str


NOTHING_CAPTURED = Captured(NO_CODE, [], "", {}, [], "")
