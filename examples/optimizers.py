"""Two optimizers and a learning rate schedule."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from data import Floats


class Optimizer(Protocol):
    """Changes parameters in place; its state is a dict of arrays, so that a checkpoint can hold it."""

    state: dict[str, Floats]

    def step(self, parameters: Floats, gradient: Floats, lr: float) -> None:
        """One update."""


class Sgd:
    """Gradient descent with momentum."""

    def __init__(self, size: int, momentum: float = 0.9) -> None:
        self.momentum = momentum
        self.state = {"velocity": np.zeros(size)}

    def step(self, parameters: Floats, gradient: Floats, lr: float) -> None:
        """One update."""
        velocity = self.state["velocity"]
        velocity *= self.momentum
        velocity += gradient
        parameters -= lr * velocity


class Adam:
    """Adam (Kingma and Ba, 2015)."""

    def __init__(self, size: int, beta1: float = 0.9, beta2: float = 0.999) -> None:
        self.betas = (beta1, beta2)
        self.state = {"mean": np.zeros(size), "square": np.zeros(size), "count": np.zeros(1)}

    def step(self, parameters: Floats, gradient: Floats, lr: float) -> None:
        """One update."""
        beta1, beta2 = self.betas
        mean, square, count = self.state["mean"], self.state["square"], self.state["count"]
        count += 1
        mean += (1 - beta1) * (gradient - mean)
        square += (1 - beta2) * (gradient**2 - square)
        unbiased = square / (1 - beta2 ** count[0])
        parameters -= lr * mean / (1 - beta1 ** count[0]) / (np.sqrt(unbiased) + 1e-8)


def make_optimizer(config: dict[str, Any], size: int) -> Optimizer:
    """The optimizer that a configuration names."""
    return {"sgd": Sgd, "adam": Adam}[config["name"]](size)


def learning_rate(step: int, steps: int, peak: float, warmup_share: float) -> float:
    """Linear warm-up to the peak, then a half cosine down to zero."""
    warmup = max(1, round(warmup_share * steps))
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
