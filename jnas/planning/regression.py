"""Bayesian regression of quality on counted features, in closed form: a Gaussian process whose mean is unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

Features = Mapping[str, float]
Floats = NDArray[np.float64]

NOISE = np.logspace(-3, 1, 9)  # candidates for the variance of the noise, in units of the prior variance of the signal
UPHILL = 1.0  # log precision that an observation gains per unit of its target: what is good must be told apart


@dataclass(frozen=True)
class Similarity:
    """A kernel over rows of counts, 1 for an average observation with itself (ours).

    Equal parts: linear in the counts, linear in their roots, which grow slower, and smooth in the roots, for what does
    not add up. Linear parts are centred, all are scaled by the observations.
    """

    counts: Floats  # of the observations, centred
    roots: Floats
    centres: tuple[Floats, Floats]
    scales: tuple[float, float]  # mean squared norm of the centred observations

    @classmethod
    def of(cls, features: Floats) -> Similarity:
        centres = features.mean(0), _root(features).mean(0)
        counts, roots = features - centres[0], _root(features) - centres[1]
        scales = tuple(max(float((rows**2).sum(1).mean()), 1e-9) for rows in (counts, roots))
        return cls(counts, roots, centres, (scales[0], scales[1]))

    def __call__(self, features: Floats) -> tuple[Floats, Floats]:
        """Of each row with every observation, and with itself."""
        counts, roots = features - self.centres[0], _root(features) - self.centres[1]
        along = counts @ self.counts.T / self.scales[0], roots @ self.roots.T / self.scales[1]
        own = (counts**2).sum(1) / self.scales[0], (roots**2).sum(1) / self.scales[1]
        # Two observations are 2 scales apart on average: at that distance smooth parts fall to exp(-1/2).
        apart = own[1][:, None] + (self.roots**2).sum(1)[None] / self.scales[1] - 2 * along[1]
        across = (along[0] + along[1] + np.exp(-np.maximum(apart, 0.0) / 4)) / 3
        return across, (own[0] + own[1] + 1.0) / 3


@dataclass(frozen=True)
class Regression:
    """y = m + f(x) + noise: the posterior after some observations, each with a precision of its own.

    `signal` is the prior variance of f at an average observation, `noise` that of an observation of weight 1.
    """

    similarity: Similarity
    roots: Floats  # of the weights, whose mean is 1
    mean: float
    basis: Floats  # eigenvectors of the weighted kernel matrix
    eigenvalues: Floats
    coefficients: Floats
    signal: float
    noise: float

    def predict(self, features: Floats) -> tuple[Floats, Floats]:
        """Posterior mean and standard deviation of m + f(x), without the noise, for each row."""
        across, own = self.similarity(features)
        across = across * self.roots @ self.basis
        explained = (across**2 / (self.eigenvalues + self.noise / self.signal)).sum(1)
        variance = self.signal * np.maximum(own - explained, 1e-12) + self.noise / len(self.roots)  # of the mean, too
        return self.mean + across @ self.coefficients, np.sqrt(variance)


def fit(features: Floats, targets: Floats, uphill: float = UPHILL) -> Regression:
    """The posterior; prior variance and noise maximise the evidence (MacKay 1992), the noise ratio over a grid.

    The precision of an observation grows by exp(`uphill` x target): a search only asks where the best are, and what
    makes bad ones worse follows laws of its own (ours).
    """
    weights = np.exp(uphill * targets)
    roots = np.sqrt(weights / weights.mean())
    mean = float((roots**2 * targets).sum() / (roots**2).sum())
    similarity, residuals = Similarity.of(features), roots * (targets - mean)
    eigenvalues, basis = np.linalg.eigh(similarity(features)[0] * roots * roots[:, None])
    eigenvalues = np.maximum(eigenvalues, 0.0)
    projected = basis.T @ residuals

    def evidence(ratio: float) -> float:
        spread = eigenvalues + ratio
        return -0.5 * (len(targets) * np.log((projected**2 / spread).mean() + 1e-12) + np.log(spread).sum())

    ratio = float(max(NOISE, key=evidence))
    spread = eigenvalues + ratio
    # Without differences between the targets there is no scale to learn: the unit of the transformed target serves.
    signal = float((projected**2 / spread).mean()) if np.ptp(targets) > 0 else 1.0
    return Regression(similarity, roots, mean, basis, eigenvalues, projected / spread, signal, signal * ratio)


def normal_scores(values: Sequence[float]) -> Floats:
    """Values as quantiles of a normal by rank, equals alike: no scale of accuracies, no outlier changes the result."""
    from scipy.special import ndtri

    _, inverse, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle = last - (counts - 1) / 2
    return ndtri((middle[inverse] - 0.5) / len(inverse))


def matrix(features: Sequence[Features], names: Mapping[str, int]) -> Floats:
    """One row per mapping; what has no name is left out."""
    rows = np.zeros((len(features), len(names) + 1))  # the last column takes what has no name
    for row, counted in zip(rows, features, strict=True):
        row[[names.get(name, -1) for name in counted]] = list(counted.values())
    return rows[:, :-1]


def numbered(features: Sequence[Features]) -> dict[str, int]:
    """A column for every name that occurs."""
    return {name: column for column, name in enumerate(dict.fromkeys(chain.from_iterable(features)))}


def _root(values: Floats) -> Floats:
    return np.sign(values) * np.sqrt(np.abs(values))
