"""What is told about predictions."""

from __future__ import annotations

import numpy as np
from data import Floats, Labels


def confusion_matrix(labels: Labels, predicted: Labels, classes: int) -> Labels:
    """How often each class (row) was taken for each class (column)."""
    matrix = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    return matrix


def classification_scores(matrix: Labels) -> dict[str, float]:
    """Accuracy, and precision, recall and F1 averaged over the classes; what has no samples counts as 0."""
    hits = matrix.diagonal()
    precision = hits / np.maximum(matrix.sum(axis=0), 1)
    recall = hits / np.maximum(matrix.sum(axis=1), 1)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return {
        "accuracy": float(hits.sum() / matrix.sum()),
        "precision": float(precision.mean()),
        "recall": float(recall.mean()),
        "f1": float(f1.mean()),
    }


def regression_scores(targets: Floats, predicted: Floats) -> dict[str, float]:
    """Mean squared error, its root, mean absolute error, and the share of the variance that is explained."""
    error = predicted - targets
    mse = float((error**2).mean())
    return {
        "mse": mse,
        "rmse": mse**0.5,
        "mae": float(np.abs(error).mean()),
        "r2": 1 - mse / float(targets.var()),
    }
