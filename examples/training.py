"""Training one classifier on the digits, with everything about it logged."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from data import Floats, Part, digits
from mlp import MLP, cross_entropy
from optimizers import Optimizer, learning_rate, make_optimizer
from scores import classification_scores, confusion_matrix

CLASSES = 10

Average = Callable[[Floats], Floats]
"""Averages a gradient over the processes of a job."""


def build_model(config: dict[str, Any]) -> MLP:
    """The model that a configuration describes."""
    model = config["model"]
    return MLP([64, *[model["width"]] * model["depth"], CLASSES], seed=config["seed"])


class Trainer:
    """A model, its optimizer, the position in its training data, and the best that it has reached."""

    def __init__(self, config: dict[str, Any], average: Average = lambda gradient: gradient) -> None:
        self.config = config
        self.data = digits()
        self.train = self.data.train.head(config["data"]["train_share"])
        self.model = build_model(config)
        self.optimizer: Optimizer = make_optimizer(config["optimizer"], len(self.model.parameters))
        self.steps_per_epoch = -(-len(self.train) // config["data"]["batch_size"])
        self.steps = self.steps_per_epoch * config["epochs"]
        self.best: dict[str, Any] = {"epoch": 0, "val/accuracy": -1.0}
        self._average = average

    def batch(self, step: int) -> Part:
        """The samples of a step: each epoch goes through all of them in an order of its own."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.config["seed"], epoch]).permutation(len(self.train))
        size = self.config["data"]["batch_size"]
        return self.train.take(order[place * size : (place + 1) * size])

    def update(self, batch: Part, step: int) -> tuple[float, float]:
        """One optimizer step. Returns the batch's loss and the learning rate."""
        optimizer = self.config["optimizer"]
        rate = learning_rate(step, self.steps, optimizer["lr"], optimizer["warmup_share"])
        loss, gradient = self.model.loss_and_gradient(batch.x, batch.y, cross_entropy)
        gradient = self._average(gradient)
        decayed = gradient + optimizer["weight_decay"] * self.model.parameters * self.model.is_weight
        self.optimizer.step(self.model.parameters, decayed, rate)
        return loss, rate

    def evaluate(self, part: Part) -> dict[str, float]:
        """Loss and scores on a part of the data."""
        logits = self.model(part.x)
        matrix = confusion_matrix(part.y, logits.argmax(axis=1), CLASSES)
        return {"loss": cross_entropy(logits, part.y)[0], **classification_scores(matrix)}

    def is_best(self, scores: dict[str, float], epoch: int) -> bool:
        """Whether an epoch's validation scores are better than all before; remembers them."""
        if scores["accuracy"] <= self.best["val/accuracy"]:
            return False
        self.best = {"epoch": epoch, "val/accuracy": scores["accuracy"]}
        return True

    def save(self, path: Path, step: int) -> None:
        """Write a checkpoint from which `load` goes on after this step."""
        best = [self.best["epoch"], self.best["val/accuracy"]]
        with path.open("wb") as file:
            np.savez(file, step=step, best=best, parameters=self.model.parameters, **self.optimizer.state)

    def load(self, path: Path) -> int:
        """Read a checkpoint; returns its step."""
        with np.load(path) as saved:
            self.model.parameters[:] = saved["parameters"]
            self.best = {"epoch": int(saved["best"][0]), "val/accuracy": float(saved["best"][1])}
            for name, values in self.optimizer.state.items():
                values[:] = saved[name]
            return int(saved["step"])


def train_and_log(
    run: Any,
    trainer: Trainer,
    folder: Path,
    *,
    first_step: int = 0,
    after_epoch: Callable[[int, int], None] = lambda epoch, step: None,
) -> None:
    """Train to the end. Training metrics are logged per step, validation metrics per epoch.

    The two have different x axes; `epoch`, logged beside the training loss, is what they have in common.
    `after_epoch` is called with the number of the epoch and of its last step.
    """
    with np.errstate(all="ignore"):  # a diverging run is a result, too
        for step in range(first_step, trainer.steps):
            loss, rate = trainer.update(trainer.batch(step), step)
            epoch, place = divmod(step, trainer.steps_per_epoch)
            run.log({"train/loss": loss, "train/lr": rate, "epoch": epoch}, step=step)
            if place == trainer.steps_per_epoch - 1:
                scores = trainer.evaluate(trainer.data.validation)
                run.log({f"val/{name}": value for name, value in scores.items()}, step=epoch)
                if trainer.is_best(scores, epoch):
                    trainer.save(folder / "best.npz", step)
                after_epoch(epoch, step)
        finite = bool(np.isfinite(trainer.model.parameters).all())
        trainer.load(folder / "best.npz")
        log_results(run, trainer, folder)
    run.set_tags({"outcome": "trained" if finite else "diverged", "best_epoch": str(trainer.best["epoch"])})


def log_results(run: Any, trainer: Trainer, folder: Path) -> None:
    """Test scores, predictions, confusion matrix and checkpoint of the best model."""
    scores = trainer.evaluate(trainer.data.test)
    last_epoch = trainer.config["epochs"] - 1
    run.log({f"test/{name}": value for name, value in scores.items()}, step=last_epoch)
    labels = trainer.data.test.y
    predicted = trainer.model(trainer.data.test.x).argmax(axis=1)
    matrix = confusion_matrix(labels, predicted, CLASSES)
    (folder / "confusion_matrix.json").write_text(json.dumps({"rows": "label", "counts": matrix.tolist()}))
    with (folder / "predictions.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["sample", "label", "predicted"])
        rows.writerows(zip(range(len(labels)), labels.tolist(), predicted.tolist(), strict=True))
    run.log_artifact(folder / "confusion_matrix.json", type="table", step=last_epoch)
    run.log_artifact(folder / "predictions.csv", type="table", step=last_epoch)
    run.log_artifact(
        folder / "best.npz",
        name="digits-mlp",
        type="model",
        step=trainer.best["epoch"],
        metadata={
            **trainer.best,
            **{f"test/{name}": value for name, value in scores.items()},
            "model": trainer.config["model"],
        },
        aliases=["best"],
    )


def working_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for files that are logged: log_artifact keeps its own snapshot, so it may vanish afterwards."""
    return tempfile.TemporaryDirectory(prefix="digits-")
