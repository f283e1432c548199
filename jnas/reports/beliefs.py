"""What a planner believed of its proposals, as its plans stored it, against what came of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jnas.planning.thompson import Posterior
from jnas.reports.run import Run, accuracy

LEVELS = np.arange(1, 10) / 10  # of intervals
BINS = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """`coverage`: how often the share of the archive that a child beat lay in its interval of each of LEVELS, of
    `children`. `said`: with what probability children were expected to improve on their parents; `came`: 1 for those
    that did, else 0.
    """

    children: int
    coverage: Floats
    said: Floats
    came: Floats

    def groups(self) -> list[tuple[float, Posterior]]:
        """Children of like beliefs: the mean of what was said, and how often it came true; none of few children."""
        if len(self.said) < BINS:
            return []
        found = []
        for group in alike(self.said):
            true = int(self.came[group].sum())
            found.append((float(self.said[group].mean()), Posterior(true, len(group) - true)))
        return found


def calibration(run: Run) -> Calibration | None:
    """Of planners that store what they expect; None of others, and before anything came of a plan."""
    from scipy.special import ndtri

    beaten, low, high, said, came = [], [], [], [], []
    archive: list[float] = []  # scores of earlier rounds, rising
    newer: list[float] = []
    began = -1
    for row in run.candidates:
        if row.round > began:
            began = row.round
            for known in newer:
                insort(archive, known)
            newer = []
        draws, score = (row.plan or {}).get("draws", {}), accuracy(row)
        if score is None:
            continue
        newer.append(score)
        if not archive:
            continue
        if "child" in draws:
            worse = (bisect_left(archive, score) + bisect_right(archive, score)) / 2
            beaten.append((worse + 0.5) / (len(archive) + 1))
            low.append(draws["child"]["low"])
            high.append(draws["child"]["high"])
        if "improved" in draws.get("outcomes", {}) and (gain := run.gain(row)) is not None:
            said.append(draws["outcomes"]["improved"][0])
            came.append(float(gain > 0))
    if not beaten and not said:
        return None
    # As quantiles of a normal, where the interval is 1.645 deviations to each side.
    value, start, end = (ndtri(np.clip(part, 1e-4, 1 - 1e-4)) for part in (beaten, low, high))
    away = np.abs(value - (start + end) / 2) / np.maximum((end - start) / 2, 1e-6) * 1.645
    inside = [float((away <= ndtri(0.5 + level / 2)).mean()) for level in LEVELS] if beaten else []
    return Calibration(len(beaten), np.array(inside), np.array(said), np.array(came))


def alike(beliefs: Floats) -> list[NDArray[np.int64]]:
    """Positions in up to BINS groups of rising beliefs; equal ones, with which a search begins, stay together."""
    edges = np.unique(np.quantile(beliefs, np.arange(1, BINS) / BINS))
    group = np.searchsorted(edges, beliefs)
    return [np.flatnonzero(group == number) for number in np.unique(group)]


def last_outcomes(run: Run) -> Mapping[str, dict[str, Any]]:
    """Of each arm ("kind, way") the outcomes as they were believed when it was drawn last: (mean, 90 % interval)."""
    found = {}
    for row in run.candidates:
        outcomes = (row.plan or {}).get("draws", {}).get("outcomes")
        if row.plan and outcomes:
            found[f"{row.plan['kind']}, {row.plan['way']}"] = {"number": row.number, **outcomes}
    return found
