"""The data of the examples, split once and for all into training, validation and test parts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

VALIDATION_SHARE = 0.15
TEST_SHARE = 0.15
SPLIT_SEED = 0
"""All runs of a sweep must see the same split, whatever their own seed is."""


@dataclass(frozen=True)
class Part:
    """Some of the samples: inputs (n, features) and targets (n,), labels or numbers."""

    x: Floats
    y: NDArray[np.generic]

    def __len__(self) -> int:
        return len(self.y)

    def take(self, indices: NDArray[np.int64]) -> Part:
        """The samples at these indices."""
        return Part(self.x[indices], self.y[indices])

    def head(self, share: float) -> Part:
        """The first samples, a share of them between 0 and 1."""
        return self.take(np.arange(max(1, round(share * len(self)))))


@dataclass(frozen=True)
class Split:
    """What a model learns from, what decides between models, and what is looked at once, at the end."""

    train: Part
    validation: Part
    test: Part


@cache
def digits() -> Split:
    """Handwritten digits, 8×8 pixels scaled to 0…1, classes 0 to 9; 70/15/15, with equal class shares in each part."""
    from sklearn.datasets import load_digits

    raw = load_digits()
    return split(Part(raw.data / 16.0, raw.target.astype(np.int64)), groups=raw.target)


@cache
def diabetes() -> Split:
    """Progression of diabetes after a year from ten measurements; 70/15/15, inputs scaled by the training part."""
    from sklearn.datasets import load_diabetes

    raw = load_diabetes(scaled=False)
    parts = split(Part(raw.data, raw.target), groups=np.zeros(len(raw.target), dtype=np.int64))
    mean, deviation = parts.train.x.mean(axis=0), parts.train.x.std(axis=0)
    scaled = [Part((part.x - mean) / deviation, part.y) for part in (parts.train, parts.validation, parts.test)]
    return Split(*scaled)


def split(samples: Part, groups: Labels) -> Split:
    """Shuffle, then give each part its share of every group."""
    random = np.random.default_rng(SPLIT_SEED)
    train: list[Labels] = []
    validation: list[Labels] = []
    test: list[Labels] = []
    for group in np.unique(groups):
        members = random.permutation(np.flatnonzero(groups == group))
        first = round(VALIDATION_SHARE * len(members))
        second = first + round(TEST_SHARE * len(members))
        validation.append(members[:first])
        test.append(members[first:second])
        train.append(members[second:])
    return Split(*(samples.take(random.permutation(np.concatenate(part))) for part in (train, validation, test)))
