"""The smallest run: python examples/quickstart.py, then `runstream ls`."""

import math
import random

import runstream

config = {"optimizer": {"name": "sgd", "lr": 0.05}, "noise": 0.1}

with runstream.init(experiment="quickstart", config=config, tags={"purpose": "try it out"}) as run:
    weight = 3.0
    for step in range(1000):
        gradient = 2 * weight + random.gauss(0, run.config["noise"])
        weight -= config["optimizer"]["lr"] * gradient
        run.log({"train/loss": weight**2, "train/grad_norm": math.fabs(gradient)}, step=step)
        if step % 100 == 99:
            run.log({"val/loss": weight**2}, step=step)
    run.log_artifact(__file__, type="code")
