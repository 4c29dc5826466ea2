"""A multi-layer perceptron in numpy, with its gradients written out by hand."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from data import Floats
from numpy.typing import NDArray

Loss = Callable[[Floats, NDArray[np.generic]], tuple[float, Floats]]
"""From outputs (n, units) and targets (n,) to the mean loss and its gradient by the outputs (n, units)."""


class MLP:
    """Linear layers with ReLU between them.

    All parameters are one flat vector, and the layers are views into it: optimizers, checkpoints and the averaging
    between processes then need to know nothing about layers.
    """

    def __init__(self, sizes: Sequence[int], seed: int) -> None:
        """`sizes`: inputs, hidden units of each layer, outputs."""
        shapes = list(itertools.pairwise(sizes))
        self.parameters: Floats = np.zeros(sum(inputs * units + units for inputs, units in shapes))
        self.is_weight = np.zeros(len(self.parameters), dtype=bool)
        self._shapes = shapes
        random = np.random.default_rng(seed)
        for (inputs, units), (weights, _), (flags, _) in zip(
            shapes, self._layers(self.parameters), self._layers(self.is_weight), strict=True
        ):
            weights[:] = random.normal(0, np.sqrt(2 / inputs), (inputs, units))  # He: keeps the variance under ReLU
            flags[:] = True

    def __call__(self, x: Floats) -> Floats:
        """Outputs (n, units) for inputs (n, features)."""
        return self._forward(x)[-1]

    def loss_and_gradient(self, x: Floats, y: NDArray[np.generic], loss: Loss) -> tuple[float, Floats]:
        """The mean loss of a batch, and its gradient as a flat vector like `parameters`."""
        activations = self._forward(x)
        value, delta = loss(activations[-1], y)
        gradient = np.empty_like(self.parameters)
        layers = list(zip(self._layers(self.parameters), self._layers(gradient), activations[:-1], strict=True))
        for number, ((weights, _), (weights_gradient, bias_gradient), inputs) in reversed(list(enumerate(layers))):
            weights_gradient[:] = inputs.T @ delta
            bias_gradient[:] = delta.sum(axis=0)
            if number > 0:
                delta = (delta @ weights.T) * (inputs > 0)  # inputs of this layer went through the ReLU before it
        return value, gradient

    def _forward(self, x: Floats) -> list[Floats]:
        """The inputs of every layer, and the outputs of the last."""
        activations = [x]
        layers = self._layers(self.parameters)
        for number, (weights, bias) in enumerate(layers):
            x = x @ weights + bias
            if number < len(layers) - 1:
                x = np.maximum(x, 0)
            activations.append(x)
        return activations

    def _layers(self, flat: NDArray[np.generic]) -> list[tuple[NDArray[np.generic], NDArray[np.generic]]]:
        """Views into a flat vector: weights (inputs, units) and bias (units,) of each layer."""
        layers, start = [], 0
        for inputs, units in self._shapes:
            middle, end = start + inputs * units, start + inputs * units + units
            layers.append((flat[start:middle].reshape(inputs, units), flat[middle:end]))
            start = end
        return layers


def cross_entropy(logits: Floats, labels: NDArray[np.generic]) -> tuple[float, Floats]:
    """Softmax and mean negative log-likelihood of the labels."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    gradient = np.exp(log_probabilities)
    gradient[rows, labels] -= 1
    return float(-log_probabilities[rows, labels].mean()), gradient / len(labels)


def squared_error(outputs: Floats, targets: NDArray[np.generic]) -> tuple[float, Floats]:
    """Mean squared error of one output."""
    error = outputs[:, 0] - targets
    return float((error**2).mean()), (2 * error / len(error))[:, None]
