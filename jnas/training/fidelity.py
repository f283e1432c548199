"""Successive halving over epochs, and how well what was cheap foretold what was dear.

All candidates of a round train to the first rung; the best share of them goes on from its weights to the next
(Jamieson and Talwalkar 2016). The learning rate follows the schedule of the last rung from the beginning, so that a
rung is a stretch of one training, by one program.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from jnas.library.store import default_cache
from jnas.training.snapshots import SnapshotFile

LEAST = 4  # candidates, for a rank correlation that says something
RESAMPLES = 1000
Curve = Sequence[Mapping[str, Any]]


def survivors(scores: Sequence[float | None], keep: float) -> list[int]:
    """Indices, in order, of the best share `keep` (at least one); what failed never; the earlier of two equals."""
    ranked = sorted((-score, index) for index, score in enumerate(scores) if score is not None)
    return sorted(index for _, index in ranked[: max(1, math.ceil(keep * len(scores) - 1e-9))])


def rung_file(arguments: Mapping[str, Any]) -> SnapshotFile:
    """Where a training, named by all its arguments, waits between two rungs."""
    digest = hashlib.sha256(json.dumps(arguments, sort_keys=True).encode()).hexdigest()
    return SnapshotFile(default_cache() / "rungs" / f"{digest[:32]}.npz")


@dataclass(frozen=True)
class Agreement:
    """Rank correlations of the accuracy after `epochs` with that after `later` epochs, and Kendall's 90 % interval."""

    epochs: int
    later: int
    candidates: int
    kendall: float
    low: float
    high: float
    spearman: float


def agreements(curves: Sequence[Curve]) -> list[Agreement]:
    """Of each number of epochs after which at least four candidates were scored with the next such number.

    The interval is that of a bootstrap over candidates, by a fixed seed.
    """
    scored = [
        {point["epoch"] + 1: point["accuracy"] for point in curve if point["accuracy"] is not None} for curve in curves
    ]
    lengths = sorted({max(points) for points in scored if points} | {min(points) for points in scored if points})
    found = []
    for earlier, later in pairwise(lengths):
        pairs = np.array([(p[earlier], p[later]) for p in scored if earlier in p and later in p])
        if len(pairs) >= LEAST:
            found.append(_agreement(earlier, later, pairs))
    return found


def kendall(first: np.ndarray, second: np.ndarray) -> float:
    """Tau-b, which counts ties out; nan where one side is all ties."""
    upper = np.triu_indices(len(first), 1)
    a, b = (np.sign(x[:, None] - x[None, :])[upper] for x in (first, second))
    return float((a * b).sum() / math.sqrt((a**2).sum() * (b**2).sum())) if a.any() and b.any() else math.nan


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation of the ranks, equal values sharing theirs; nan where one side is all ties."""
    a, b = (_ranks(x) for x in (first, second))
    return float(np.corrcoef(a, b)[0, 1]) if a.std() and b.std() else math.nan


def _agreement(epochs: int, later: int, pairs: np.ndarray) -> Agreement:
    generator = np.random.default_rng(0)
    draws = [pairs[generator.integers(0, len(pairs), len(pairs))] for _ in range(RESAMPLES)]
    values = [tau for draw in draws if not math.isnan(tau := kendall(draw[:, 0], draw[:, 1]))]
    low, high = np.quantile(values, (0.05, 0.95)) if values else (math.nan, math.nan)
    tau, rho = kendall(pairs[:, 0], pairs[:, 1]), spearman(pairs[:, 0], pairs[:, 1])
    return Agreement(epochs, later, len(pairs), tau, float(low), float(high), rho)


def _ranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]
