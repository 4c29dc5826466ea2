"""A run whose process is killed half-way, and which goes on from its checkpoint as another attempt."""

from __future__ import annotations

import os
import signal
import uuid
from pathlib import Path
from typing import Any

from processes import Processes
from training import Trainer, train_and_log, working_folder

import runstream

CHECKPOINT_EVERY = 4
"""Epochs between checkpoints: the killed process is ahead of its last one, so the next attempt repeats some steps."""


def run_interrupted(name: str, experiment: str, config: dict[str, Any], tags: dict[str, str]) -> None:
    """Train in one process, lose it, and finish in another. Raises RuntimeError when that does not go so."""
    run_id = str(uuid.uuid4())
    with working_folder() as folder, Processes() as processes:
        first = processes.start(_first_attempt, name, experiment, config, tags, run_id, Path(folder))
        processes.wait()
        if first.exitcode != -signal.SIGKILL:
            raise RuntimeError(f"the first attempt of {name} ended with {first.exitcode} instead of SIGKILL")
        second = processes.start(_second_attempt, name, experiment, config, tags, run_id, Path(folder))
        processes.wait()
        if second.exitcode != 0:
            raise RuntimeError(f"the second attempt of {name} failed")


def _first_attempt(
    name: str, experiment: str, config: dict[str, Any], tags: dict[str, str], run_id: str, folder: Path
) -> None:
    trainer = Trainer(config)
    run = runstream.init(experiment=experiment, name=name, config=config, tags=tags, run_id=run_id)

    def save_or_die(epoch: int, step: int) -> None:
        if epoch % CHECKPOINT_EVERY == CHECKPOINT_EVERY - 1:
            trainer.save(folder / "last.npz", step)
            run.log_artifact(folder / "last.npz", name="last", type="checkpoint", step=step, aliases=["last"])
        elif epoch >= config["epochs"] // 2:
            os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does when memory runs out: nothing can be said

    train_and_log(run, trainer, folder, after_epoch=save_or_die)


def _second_attempt(
    name: str, experiment: str, config: dict[str, Any], tags: dict[str, str], run_id: str, folder: Path
) -> None:
    trainer = Trainer(config)
    first_step = trainer.load(folder / "last.npz") + 1
    with runstream.init(
        experiment=experiment,
        name=name,
        config=config,
        tags=tags,
        run_id=run_id,
        resume="must",
        start_step=first_step,
    ) as run:
        train_and_log(run, trainer, folder, first_step=first_step)
