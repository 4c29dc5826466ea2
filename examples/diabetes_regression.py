"""A regression: progression of diabetes, scored by MSE, RMSE, MAE and R². python examples/diabetes_regression.py"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from data import Part, diabetes
from mlp import MLP, squared_error
from optimizers import learning_rate, make_optimizer
from scores import regression_scores
from threadpoolctl import threadpool_limits
from training import working_folder

import runstream

CONFIG: dict[str, Any] = {
    "seed": 0,
    "epochs": 30,
    "data": {"name": "diabetes", "batch_size": 32},
    "model": {"width": 32, "depth": 1},
    "optimizer": {"name": "adam", "lr": 0.01, "weight_decay": 0.1, "warmup_share": 0.1},
}


def run_regression(name: str, experiment: str, config: dict[str, Any], tags: dict[str, str]) -> None:
    """Train, and log the scores of every epoch and of the test part."""
    data = diabetes()
    mean, deviation = float(data.train.y.mean()), float(data.train.y.std())
    model = MLP([data.train.x.shape[1], *[config["model"]["width"]] * config["model"]["depth"], 1], config["seed"])
    settings = config["optimizer"]
    optimizer = make_optimizer(settings, len(model.parameters))
    batches = -(-len(data.train) // config["data"]["batch_size"])
    random = np.random.default_rng(config["seed"])

    def predict(part: Part) -> Any:
        return model(part.x)[:, 0] * deviation + mean

    with (
        working_folder() as folder,
        runstream.init(experiment=experiment, name=name, config=config, tags=tags) as run,
    ):
        for epoch in range(config["epochs"]):
            for place, chosen in enumerate(np.array_split(random.permutation(len(data.train)), batches)):
                step = epoch * batches + place
                batch = data.train.take(chosen)
                loss, gradient = model.loss_and_gradient(batch.x, (batch.y - mean) / deviation, squared_error)
                gradient += settings["weight_decay"] * model.parameters * model.is_weight
                rate = learning_rate(step, batches * config["epochs"], settings["lr"], settings["warmup_share"])
                optimizer.step(model.parameters, gradient, rate)
                run.log({"train/loss": loss, "train/lr": rate, "epoch": epoch}, step=step)
            scores = regression_scores(data.validation.y, predict(data.validation))
            run.log({f"val/{score}": value for score, value in scores.items()}, step=epoch)
        scores = regression_scores(data.test.y, predict(data.test))
        run.log({f"test/{score}": value for score, value in scores.items()}, step=config["epochs"] - 1)
        predictions = Path(folder) / "predictions.json"
        pairs = {"target": data.test.y.tolist(), "predicted": predict(data.test).tolist()}
        predictions.write_text(json.dumps(pairs))
        run.log_artifact(predictions, type="table")


if __name__ == "__main__":
    threadpool_limits(1)
    run_regression("diabetes", "diabetes", CONFIG, {"kind": "regression"})
