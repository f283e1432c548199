"""Bayesian linear regression of quality on counted features, in closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Features = Mapping[str, float]
Floats = NDArray[np.float64]

NOISE = np.logspace(-3, 1, 9)  # candidates for the variance of the noise, in units of the prior variance of the signal


@dataclass(frozen=True)
class Regression:
    """y = m + w'(x - mean x) + noise with w ~ N(0, s I): the posterior after some observations.

    It is kept in the span of the observations (the kernel form), so that its size does not grow with the features.
    `signal` is the prior variance of an average observation's w'x, `noise` that of the noise.
    """

    centre: Floats
    deviations: Floats  # observations minus their centre
    scale: float  # mean squared norm of the deviations
    mean: float
    basis: Floats  # eigenvectors of the kernel matrix
    eigenvalues: Floats
    coefficients: Floats
    signal: float
    noise: float

    def predict(self, features: Floats) -> tuple[Floats, Floats]:
        """Posterior mean and standard deviation of w'x + m, without the noise, for each row."""
        rows = features - self.centre
        across = rows @ self.deviations.T / self.scale @ self.basis
        spread = self.eigenvalues + self.noise / self.signal
        variance = (rows**2).sum(1) / self.scale - (across**2 / spread).sum(1)
        variance = self.signal * np.maximum(variance, 1e-12) + self.noise / len(self.deviations)  # of the mean, too
        return self.mean + across @ self.coefficients, np.sqrt(variance)


def fit(features: Floats, targets: Floats, noise: Sequence[float] | Floats = NOISE) -> Regression:
    """The posterior; prior variance and noise maximise the evidence (MacKay 1992), the noise ratio over a grid."""
    centre, mean = features.mean(0), float(targets.mean())
    deviations, residuals = features - centre, targets - mean
    scale = max(float((deviations**2).sum(1).mean()), 1e-9)
    eigenvalues, basis = np.linalg.eigh(deviations @ deviations.T / scale)
    eigenvalues = np.maximum(eigenvalues, 0.0)
    projected = basis.T @ residuals

    def evidence(ratio: float) -> float:
        spread = eigenvalues + ratio
        return -0.5 * (len(targets) * np.log((projected**2 / spread).mean() + 1e-12) + np.log(spread).sum())

    ratio = float(max(noise, key=evidence))
    spread = eigenvalues + ratio
    # Without differences between the targets there is no scale to learn: the unit of the transformed target serves.
    signal = float((projected**2 / spread).mean()) if np.ptp(targets) > 0 else 1.0
    return Regression(centre, deviations, scale, mean, basis, eigenvalues, projected / spread, signal, signal * ratio)


def normal_scores(values: Sequence[float]) -> Floats:
    """Values as quantiles of a normal by rank, equals alike: no scale of accuracies, no outlier changes the result."""
    from scipy.special import ndtri

    _, inverse, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle = last - (counts - 1) / 2
    return ndtri((middle[inverse] - 0.5) / len(inverse))


def matrix(features: Sequence[Features], names: Mapping[str, int]) -> Floats:
    """One row per mapping; what has no name is left out."""
    rows = np.zeros((len(features), len(names)))
    for row, counted in zip(rows, features, strict=True):
        for name, value in counted.items():
            column = names.get(name)
            if column is not None:
                row[column] = value
    return rows


def numbered(features: Sequence[Features]) -> dict[str, int]:
    """A column for every name that occurs."""
    names: dict[str, int] = {}
    for counted in features:
        for name in counted:
            names.setdefault(name, len(names))
    return names
