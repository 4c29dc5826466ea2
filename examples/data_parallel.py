"""One job of several processes: each computes the gradient of its part of the batch, all apply the average."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from data import Floats
from processes import Processes
from training import Trainer, build_model, log_results, working_folder

import runstream

SLOW_RANK = 2
SLOWNESS_S = 0.002
"""What one rank's work takes longer per step: every job has a straggler, and `time/wait_ms` of the others shows it."""


class AllReduce:
    """Averages vectors between processes through shared memory."""

    def __init__(self, world_size: int, length: int) -> None:
        context = multiprocessing.get_context("fork")
        memory = context.RawArray("d", world_size * length)
        self._rows: Floats = np.frombuffer(memory, dtype=np.float64).reshape(world_size, length)
        self._barrier = context.Barrier(world_size)
        self.waited_s = 0.0

    def mean(self, rank: int, vector: Floats) -> Floats:
        """The average of what all ranks bring; waits for the slowest. Raises BrokenBarrierError when one has died."""
        self._rows[rank] = vector
        began = time.perf_counter()
        self._barrier.wait(timeout=60)
        self.waited_s = time.perf_counter() - began
        average = self._rows.mean(axis=0)
        self._barrier.wait(timeout=60)  # nobody may write the next vector before everybody has read
        return average


def run_data_parallel(name: str, experiment: str, config: dict[str, Any], tags: dict[str, str]) -> None:
    """Run `world_size` ranks and wait for them. Raises RuntimeError, and ends the others, when one of them fails."""
    world_size = config["world_size"]
    reduce = AllReduce(world_size, len(build_model(config).parameters))
    with Processes() as processes:
        ranks = [processes.start(_run_rank, name, experiment, config, tags, rank, reduce) for rank in range(world_size)]
        while ended := processes.wait():
            if failed := [ranks.index(process) for process in ended if process.exitcode != 0]:
                raise RuntimeError(f"ranks {failed} of {name} failed")


def _run_rank(
    name: str, experiment: str, config: dict[str, Any], tags: dict[str, str], rank: int, reduce: AllReduce
) -> None:
    # As torchrun sets them; runstream reads rank and run identity from here.
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(config["world_size"]),
        "LOCAL_WORLD_SIZE": str(config["world_size"]),
    }
    with (
        working_folder() as folder,
        runstream.init(experiment=experiment, name=name, config=config, tags=tags) as run,
    ):
        _train_rank(run, Trainer(config, lambda gradient: reduce.mean(rank, gradient)), Path(folder), rank, reduce)


def _train_rank(run: Any, trainer: Trainer, folder: Path, rank: int, reduce: AllReduce) -> None:
    world_size = trainer.config["world_size"]
    for step in range(trainer.steps):
        began = time.perf_counter()
        whole = trainer.batch(step)
        part = whole.take(np.arange(rank, len(whole), world_size))
        if rank == SLOW_RANK:
            time.sleep(SLOWNESS_S)
        loss, rate = trainer.update(part, step)
        total_s = time.perf_counter() - began
        epoch, place = divmod(step, trainer.steps_per_epoch)
        timing = {"time/step_ms": 1e3 * total_s, "time/wait_ms": 1e3 * reduce.waited_s}
        run.log({"train/loss": loss, "train/lr": rate, "epoch": epoch} | timing, step=step)
        if rank == 0 and place == trainer.steps_per_epoch - 1:
            scores = trainer.evaluate(trainer.data.validation)
            run.log({f"val/{name}": value for name, value in scores.items()}, step=epoch)
            if trainer.is_best(scores, epoch):
                trainer.save(folder / "best.npz", step)
    if rank == 0:
        trainer.load(folder / "best.npz")
        log_results(run, trainer, folder)
