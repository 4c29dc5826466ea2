from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runstream.artifacts import Artifacts, Identity

RUN = "01890a5d-ac96-774b-bcce-b302099a8057"
TIME = 1_760_000_000_000_001


class Recorder:
    """An event log in memory that can refuse."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.warnings: list[str] = []
        self.accepting = True

    def emit(self, record: dict[str, Any]) -> bool:
        if self.accepting:
            self.records.append(record)
        return self.accepting

    def warn(self, kind: str, message: str) -> None:
        self.warnings.append(message)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    return tmp_path / "staging"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def front(staging: Path, recorder: Recorder) -> Callable[[str | Path], Artifacts]:
    def build(root_url: str | Path) -> Artifacts:
        return Artifacts(
            staging, str(root_url), recorder.emit, recorder.warn, identity=lambda: Identity(RUN, 0, TIME - 1)
        )

    return build
