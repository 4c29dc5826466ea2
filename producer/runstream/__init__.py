"""runstream: experiment tracking that neither slows nor stops training.

import runstream

with runstream.init(experiment="digits", config={"lr": 0.1}) as run:
    for step in range(1000):
        run.log({"train/loss": loss}, step=step)
"""

from .api import (
    current_run,
    finish,
    init,
    log,
    log_artifact,
    log_metric,
    log_param,
    log_params,
    set_tag,
    set_tags,
)
from .disabled import DisabledRun
from .run import Run

__version__ = "0.1.0"

__all__ = [
    "DisabledRun",
    "Run",
    "current_run",
    "finish",
    "init",
    "log",
    "log_artifact",
    "log_metric",
    "log_param",
    "log_params",
    "set_tag",
    "set_tags",
]
