"""A sweep on handwritten digits: real models, several at a time, each in processes of its own.

python examples/digits_sweep.py --help
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal

from data import diabetes, digits
from data_parallel import run_data_parallel
from diabetes_regression import CONFIG as REGRESSION
from diabetes_regression import run_regression
from interrupted import run_interrupted
from processes import Processes
from threadpoolctl import threadpool_limits
from training import Trainer, train_and_log, working_folder

import runstream

WORLD_SIZE = 4


@dataclass(frozen=True)
class Job:
    """One training job, which becomes one run."""

    name: str
    kind: Literal["single", "data parallel", "interrupted", "regression"]
    config: dict[str, Any]
    tags: dict[str, str]


@dataclass(frozen=True)
class Progress:
    """One job has ended, or, while none has, the sweep has begun."""

    done: int
    total: int
    job: str
    ok: bool


def configuration(
    *,
    depth: int = 2,
    width: int = 64,
    lr: float = 3e-3,
    weight_decay: float = 0.0,
    optimizer: str = "adam",
    epochs: int = 12,
    train_share: float = 1.0,
) -> dict[str, Any]:
    """The hyperparameters of one run."""
    return {
        "seed": 0,
        "epochs": epochs,
        "data": {"name": "digits", "batch_size": 64, "train_share": train_share},
        "model": {"depth": depth, "width": width},
        "optimizer": {"name": optimizer, "lr": lr, "weight_decay": weight_decay, "warmup_share": 0.1},
    }


def jobs() -> list[Job]:
    """The sweep over depth, width, learning rate and weight decay, and the runs that go another way."""
    grid = itertools.product((1, 2, 3), (16, 128), (1e-3, 1e-2), (0.0, 1e-3))
    sweep = [
        Job(
            f"mlp-{depth}x{width}-lr{lr:g}-wd{decay:g}",
            "single",
            configuration(depth=depth, width=width, lr=lr, weight_decay=decay),
            {"kind": "sweep"},
        )
        for depth, width, lr, decay in grid
    ]
    overfitting = configuration(depth=3, width=256, lr=3e-3, epochs=60, train_share=0.1)
    # Such steps times such a decay turn every weight around and enlarge it, until doubles overflow.
    diverging = configuration(depth=3, width=64, lr=300.0, weight_decay=0.1, optimizer="sgd", epochs=6)
    parallel = configuration(depth=2, width=64, epochs=8) | {"world_size": WORLD_SIZE}
    return [
        Job("killed-and-resumed", "interrupted", configuration(epochs=12), {"kind": "interrupted"}),
        Job("data-parallel-4", "data parallel", parallel, {"kind": "data parallel"}),
        *sweep,
        Job("overfitting", "single", overfitting, {"kind": "overfitting"}),
        Job("diverging", "single", diverging, {"kind": "diverging"}),
        Job("diabetes", "regression", REGRESSION, {"kind": "regression"}),
    ]


def run_job(job: Job, experiment: str = "digits") -> None:
    """Run one job in this process, and in children of it."""
    if job.kind == "regression":
        run_regression(job.name, "diabetes", job.config, job.tags)
    elif job.kind == "data parallel":
        run_data_parallel(job.name, experiment, job.config, job.tags)
    elif job.kind == "interrupted":
        run_interrupted(job.name, experiment, job.config, job.tags)
    else:
        with (
            working_folder() as folder,
            runstream.init(experiment=experiment, name=job.name, config=job.config, tags=job.tags) as run,
        ):
            train_and_log(run, Trainer(job.config), Path(folder))


def run_all(
    on_progress: Callable[[Progress], None],
    *,
    chosen: Sequence[Job] | None = None,
    experiment: str = "digits",
    workers: int = 2,
) -> list[str]:
    """Run the jobs, so many at a time, each in its own process. Returns the names of those that failed.

    Call it where no other thread runs: the processes are forked, so that numpy and the data are loaded once.
    """
    threadpool_limits(1)  # in numpy: the matrices are small, and the processes are the parallelism
    digits()
    diabetes()
    waiting = list(jobs() if chosen is None else chosen)
    total = len(waiting)
    running: dict[BaseProcess, Job] = {}
    failed: list[str] = []
    done = 0
    on_progress(Progress(done, total, "", True))
    with Processes() as processes:
        while waiting or running:
            while waiting and len(running) < workers:
                job = waiting.pop(0)
                running[processes.start(run_job, job, experiment)] = job
            for process in processes.wait():
                job = running.pop(process)
                done += 1
                if process.exitcode != 0:
                    failed.append(job.name)
                on_progress(Progress(done, total, job.name, process.exitcode == 0))
    return failed


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Train a sweep of small models on handwritten digits.")
    parser.add_argument("--experiment", default="digits", help="experiment of the runs (default: digits)")
    now = datetime.now().astimezone()
    parser.add_argument("--sweep", default=f"{now:%Y-%m-%d-%H%M%S}", help="tag of all its runs (default: the time)")
    parser.add_argument("--workers", type=int, default=min(4, os.cpu_count() or 1), help="jobs at a time")
    parser.add_argument("--only", default="", metavar="TEXT", help="only jobs with this in their name")
    parser.add_argument("--list", action="store_true", help="list the jobs and stop")
    parser.add_argument("--json-progress", action="store_true", help="one JSON line for each job that ends")
    arguments = parser.parse_args()
    tag = {"sweep": arguments.sweep}
    chosen = [replace(job, tags=job.tags | tag) for job in jobs() if arguments.only in job.name]
    if not chosen or arguments.workers < 1:
        parser.error("no job has this in its name" if not chosen else "--workers must be at least 1")
    if arguments.list:
        print("\n".join(job.name for job in chosen))
        return 0

    def show(progress: Progress) -> None:
        if arguments.json_progress:
            print(json.dumps(vars(progress)), flush=True)
        elif progress.done:
            print(f"{progress.done:3}/{progress.total} {progress.job}{'' if progress.ok else ' failed'}", flush=True)

    try:
        failed = run_all(show, chosen=chosen, experiment=arguments.experiment, workers=arguments.workers)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
