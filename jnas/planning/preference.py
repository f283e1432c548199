"""Which child: what the archive says about trees that were never trained (ours)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from jnas.planning.devices import on_one_core
from jnas.planning.history import Record, best
from jnas.planning.plan import Settings
from jnas.planning.regression import Features, Floats, Regression, fit, matrix, normal_scores, numbered

KAPPA = 0.5  # deviations that a doubtful child is given as a bonus
PATIENCE = 30  # candidates without a new best after which it counts as stuck
LIMIT = 4  # the longer it is stuck, the more a child must differ, for in the end nothing that is alike is better
DEEPEST = 3  # depth of a place that stands for all deeper ones
REMEMBERED = 96  # of the best, and of the latest candidates, so that a long history costs no more than a short one
INTERVAL = 1.645  # deviations: 90 % of a normal


@dataclass(frozen=True)
class Preference:
    """Scores children by posterior mean + KAPPA x deviation + weight x diversity gain.

    `parents`: the candidates whose children are worth scoring, the most promising first. The gain of a child is its
    distance to the nearest member of the archive, in [0, 1].
    """

    parents: tuple[int, ...]
    weight: float
    regression: Regression
    names: Mapping[str, int]
    archive: Floats  # rows of unit length, those of the trained and of the pending candidates
    promise: Mapping[tuple[str | None, int], float] = field(default_factory=dict)  # of (family, depth), see effects.py

    def score(self, children: Sequence[Features], where: Sequence[tuple[str | None, int]] = ()) -> Floats:
        """One number per child, higher is better. `where`: family and depth of the edits that make them."""
        mean, deviation, gain = self.predict(children)
        scores = mean + KAPPA * deviation + self.weight * gain
        if not where:
            return scores
        return scores + np.array([self.promise.get((family, min(deep, DEEPEST)), 0.0) for family, deep in where])

    @on_one_core
    def predict(self, children: Sequence[Features]) -> tuple[Floats, Floats, Floats]:
        """Posterior mean and deviation of each child's quality, as a quantile of a normal, and its diversity gain."""
        # What no candidate ever had takes columns of its own: it says nothing of quality, but it is new.
        fresh = numbered([{name: 0 for name in child if name not in self.names} for child in children])
        names = {**self.names, **{name: len(self.names) + i for name, i in fresh.items()}}
        rows = matrix(children, names)
        return *self.regression.predict(rows[:, : len(self.names)]), gains(rows, self.archive)

    def expectation(self, child: Features) -> Mapping[str, float]:
        """What is stored of the child that was chosen: which share of the archive it is believed to beat, its gain."""
        mean, deviation, gain = (float(values[0]) for values in self.predict([child]))
        return believed(mean, np.hypot(deviation, self.regression.noise**0.5), gain)  # of what will be measured


def believed(mean: float, deviation: float, gain: float) -> Mapping[str, float]:
    """A normal belief about a quantile of a normal, as shares of the archive: mean and 90 % interval; and the gain."""
    from scipy.special import ndtr

    ends = {"mean": mean, "low": mean - INTERVAL * deviation, "high": mean + INTERVAL * deviation}
    return {**{name: round(float(ndtr(value)), 4) for name, value in ends.items()}, "gain": round(gain, 4)}


def prefer(history: Sequence[Record], settings: Settings, pending: Sequence[Record] = ()) -> Preference | None:
    """What the history teaches; None while fewer than two candidates have a score.

    `pending` candidates, whose results are not known, are taken to come out as predicted (Ginsbourger et al. 2010,
    "kriging believer"): nothing is left to learn beside them, and no diversity to gain.
    """
    leaders = best(history, REMEMBERED)
    if len(leaders) < 2:
        return None
    latest = [record for record in history[-REMEMBERED:] if record.score is not None]
    known = sorted({record.number: record for record in (*leaders, *latest)}.values(), key=lambda record: record.number)
    every = [record.features for record in (*known, *pending)]
    names = numbered(every)
    rows = matrix(every, names)
    targets = normal_scores([record.score for record in known if record.score is not None])
    weight = settings.diversity * stuck(history, leaders[0])
    worth = targets + weight * nearest(rows)[: len(known)]
    order = sorted(range(len(known)), key=lambda i: (-worth[i], known[i].number))
    parents = tuple(known[i].number for i in order[: settings.top_k])
    regression = fit(rows[: len(known)], targets)
    if pending:
        regression = fit(rows, np.concatenate([targets, regression.predict(rows[len(known) :])[0]]))
    return Preference(parents, weight, regression, names, unit(rows))


def stuck(history: Sequence[Record], leader: Record) -> float:
    """0 right after a new best, 1 when PATIENCE candidates have brought none, up to LIMIT."""
    return sum(record.number > leader.number for record in history[-LIMIT * PATIENCE :]) / PATIENCE


def gains(rows: Floats, archive: Floats) -> Floats:
    """Distance in [0, 1] of each row to the nearest of the archive: the root of 1 - cosine, as between trees."""
    return np.sqrt(np.maximum(0.0, 1.0 - (unit(rows)[:, : archive.shape[1]] @ archive.T).max(1)))


def nearest(rows: Floats, earlier: bool = False) -> Floats:
    """Distance of each row to the nearest other one, or to the nearest of those before it; 1 where there is none."""
    likeness = unit(rows) @ unit(rows).T
    others = np.tri(len(rows), k=-1, dtype=bool) if earlier else ~np.eye(len(rows), dtype=bool)
    return np.sqrt(np.maximum(0.0, 1.0 - np.max(likeness, axis=1, where=others, initial=0.0)))


def unit(rows: Floats) -> Floats:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
