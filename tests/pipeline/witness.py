"""What training processes log, and what they write down about it: independent of all that is tested."""

import mmap
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

WORDS: Final = struct.Struct("<4q")


def row(rank: int, step: int) -> dict[str, float]:
    """What a rank logs at a step: always the same, so that a wrong value shows. Two sets of metrics, and NaN."""
    made = {
        "train/loss": float("nan") if step % 101 == 100 else 1 / (step + 1) + rank,
        "train/accuracy": step * 0.25,
        "lr": float(-step),
    }
    return made | {"val/loss": step / 3 + rank} if step % 10 == 0 else made


def series(rank: int, steps: Sequence[int]) -> dict[str, list[tuple[int, str]]]:
    """(step, value as text) of each metric, for steps in their order."""
    found: dict[str, list[tuple[int, str]]] = {}
    for step in steps:
        for metric, value in row(rank, step).items():
            found.setdefault(metric, []).append((step, repr(value)))
    return found


class Diary:
    """A file that a training process writes into memory of: as the kernel owns it, SIGKILL takes nothing of it away."""

    def __init__(self, path: Path, attempt: int, first: int) -> None:
        path.write_bytes(WORDS.pack(attempt, first, first, first))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), WORDS.size)

    def begin(self, step: int) -> None:
        """The step is about to be logged."""
        struct.pack_into("<q", self._memory, 16, step + 1)

    def end(self, step: int) -> None:
        """Its `log` has returned."""
        struct.pack_into("<q", self._memory, 24, step + 1)


@dataclass(frozen=True)
class Life:
    """What one process wrote down: it logged the steps from `first`, one after the other."""

    run_id: str
    rank: int
    attempt: int
    first: int
    begun: int
    """Behind the last step that was given to `log`."""
    returned: int
    """Behind the last step for which `log` has returned: at most one less."""

    @classmethod
    def read(cls, path: Path, run_id: str, rank: int) -> "Life":
        return cls(run_id, rank, *WORDS.unpack(path.read_bytes()))

    def points(self, stored_steps: int) -> Mapping[tuple[str, int, int, str], list[tuple[int, str]]]:
        """What has to be stored, by run, rank, attempt and metric, when so many steps are."""
        steps = range(self.first, self.first + stored_steps)
        return {
            (self.run_id, self.rank, self.attempt, metric): values
            for metric, values in series(self.rank, steps).items()
        }
