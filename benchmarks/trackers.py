"""runstream and its peers behind one small interface, each used as its documentation says, locally."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from . import left_behind
from .loops import Log

PROJECT = "benchmark"


@dataclass(frozen=True)
class Open:
    """A run that has begun."""

    log: Log
    finish: Callable[[], object]


@dataclass(frozen=True)
class Tracker:
    """How to use one tracker."""

    name: str
    distribution: str
    """Of which PyPI package the version is."""
    module: str
    open: Callable[[Path], Open]
    """Begin a run that keeps everything in this directory."""
    recover: Callable[[Path], int]
    """How many points of a killed process a reader finds in the directory."""

    def missing(self) -> str:
        """Why it cannot be used here, empty if it can."""
        try:
            metadata.version(self.distribution)
        except metadata.PackageNotFoundError:
            return f"{self.distribution} is not installed (make bench-peers installs it)"
        return ""

    @property
    def version(self) -> str:
        """The installed version."""
        return metadata.version(self.distribution)


def _runstream(directory: Path) -> Open:
    import runstream

    run = runstream.init(PROJECT, dir=directory)
    return Open(run.log, lambda: run.finish(60))


def _mlflow(synchronous: bool) -> Callable[[Path], Open]:
    def begin(directory: Path) -> Open:
        mlflow: Any = import_module("mlflow")
        mlflow.set_tracking_uri(f"sqlite:///{directory}/mlflow.db")
        mlflow.set_experiment(PROJECT)
        mlflow.start_run()
        if synchronous:
            return Open(lambda row, step: mlflow.log_metrics(row, step=step), mlflow.end_run)

        def finish() -> None:
            mlflow.flush_async_logging()
            mlflow.end_run()

        return Open(lambda row, step: mlflow.log_metrics(row, step=step, synchronous=False), finish)

    return begin


def _wandb(directory: Path) -> Open:
    wandb: Any = import_module("wandb")
    run = wandb.init(project=PROJECT, dir=str(directory), mode="offline", settings=wandb.Settings(console="off"))
    return Open(lambda row, step: run.log(row, step=step), run.finish)


def _trackio(directory: Path) -> Open:
    os.environ["TRACKIO_DIR"] = str(directory)
    trackio: Any = import_module("trackio")
    run = trackio.init(project=PROJECT, embed=False)
    return Open(lambda row, step: run.log(row, step=step), run.finish)


def _aim(directory: Path) -> Open:
    aim: Any = import_module("aim")
    run = aim.Run(repo=str(directory), experiment=PROJECT, log_system_params=False)
    return Open(lambda row, step: run.track(row, step=step), run.close)


def _tensorboardx(directory: Path) -> Open:
    writer: Any = import_module("tensorboardX").SummaryWriter(str(directory))
    add_scalar = writer.add_scalar

    def log(row: Any, step: int) -> None:
        for name, value in row.items():
            add_scalar(name, value, step)

    return Open(log, writer.close)


RUNSTREAM = Tracker("runstream", "runstream", "runstream", _runstream, left_behind.runstream)

PEERS = (
    Tracker("MLflow, sqlite", "mlflow", "mlflow", _mlflow(True), left_behind.mlflow),
    Tracker("MLflow, sqlite, async", "mlflow", "mlflow", _mlflow(False), left_behind.mlflow),
    Tracker("W&B, offline", "wandb", "wandb", _wandb, left_behind.wandb),
    Tracker("Trackio, local", "trackio", "trackio", _trackio, left_behind.trackio),
    Tracker("Aim", "aim", "aim", _aim, left_behind.aim),
    Tracker("TensorBoardX", "tensorboardX", "tensorboardX", _tensorboardx, left_behind.tensorboardx),
)

BY_NAME = {tracker.name: tracker for tracker in (RUNSTREAM, *PEERS)}
