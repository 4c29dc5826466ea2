"""A training process in a test's hand."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from witness import Life

PROGRAM = Path(__file__).parent / "training.py"
FOREIGN = ("RUNSTREAM_", "SLURM_", "OMPI_", "LOCAL_")


@dataclass(frozen=True)
class Outcome:
    """What a training process said at its end."""

    delivered: bool
    longest_log_s: float
    finish_s: float
    said: str
    """On standard error."""


class Trainer:
    """One rank of a run, logging since it was made."""

    def __init__(
        self,
        diary: Path,
        environ: Mapping[str, str],
        *,
        run_id: str,
        rank: int = 0,
        world_size: int = 1,
        calls_per_s: float = 300,
        first_step: int = 0,
        finish_s: float = 60,
    ) -> None:
        self.run_id, self.rank = run_id, rank
        self._logs = False
        self._diary = diary
        clean = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world_size, "LOCAL_WORLD_SIZE": world_size}
        # System metrics would be points that nobody wrote down.
        own = {"RUNSTREAM_RUN_ID": run_id, "RUNSTREAM_SYSTEM_PERIOD_S": "0", "RUNSTREAM_HEARTBEAT_S": "1"}
        self._process = subprocess.Popen(
            [sys.executable, PROGRAM, diary, *map(str, (calls_per_s, first_step, finish_s))],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**clean, **{name: str(value) for name, value in place.items()}, **own, **environ},
        )

    def wait_until_it_logs(self) -> None:
        assert self._process.stdout is not None
        if not self._logs and self._process.stdout.readline() != "begun\n":
            raise AssertionError(self._process.communicate()[1])
        self._logs = True

    @property
    def runs(self) -> bool:
        return self._process.returncode is None

    @property
    def life(self) -> Life:
        """What it has written down by now."""
        return Life.read(self._diary, self.run_id, self.rank)

    def ask_to_finish(self) -> None:
        self._process.send_signal(signal.SIGUSR1)

    def outcome(self) -> Outcome:
        """What it says when it has finished; fails when it ended badly."""
        out, said = self._process.communicate(timeout=90)
        assert self._process.returncode == 0 and "Traceback" not in said, said
        return Outcome(**json.loads(out), said=said)

    def kill(self) -> None:
        """SIGKILL, unless it has ended."""
        if self.runs:
            self._process.kill()
            self._process.communicate()
