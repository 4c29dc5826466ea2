"""The run of `RUNSTREAM_MODE=disabled`: every call does nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from .config import Config


class DisabledRun:
    """Takes the calls of a Run and does nothing; its config can be read and set."""

    id = "00000000-0000-0000-0000-000000000000"
    run_id = UUID(int=0)
    rank = 0
    attempt = 0

    def __init__(self, experiment: str, name: str, config: Mapping[str, Any]) -> None:
        self.experiment = experiment
        self.name = name
        self.config = Config(config, lambda changed: None)

    def log(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Do nothing."""

    def _nothing(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    log_metric = log_metrics = log_param = log_params = set_tag = set_tags = log_artifact = _nothing

    def finish(self, timeout: float = 0.0) -> bool:
        """There is nothing to deliver."""
        return True

    def fail(self, error: BaseException | str, timeout: float = 0.0) -> bool:
        """There is nothing to deliver."""
        return True

    kill = fail

    def __deepcopy__(self, memo: dict[int, Any]) -> DisabledRun:
        """The run itself, as for a Run."""
        return self

    def __enter__(self) -> DisabledRun:
        return self

    def __exit__(self, *_: object) -> None:
        """There is nothing to end."""
