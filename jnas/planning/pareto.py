"""Several objectives: the Pareto front, the order of NSGA-II, and one score out of many. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, islice

import numpy as np

from jnas.planning.history import Record, folded
from jnas.planning.regression import Floats, normal_scores

ACCURACY = "accuracy"
OBJECTIVES: dict[str, Callable[[Record], float | None]] = {  # all of them higher is better
    ACCURACY: lambda record: record.score,
    "parameters": lambda record: -record.parameters,
    "multiply_adds": lambda record: -record.multiply_adds,
    "latency": lambda record: None if record.latency is None else -record.latency,
}
FLOOR = 0.05  # of the weakest objective's weight in the sum that a scalarisation adds to the worst objective


def measured(history: Sequence[Record], objectives: Sequence[str]) -> tuple[tuple[Record, ...], Floats]:
    """The candidates of which every objective is known, and their values (candidates, objectives), higher is better."""
    rows = [(record, [OBJECTIVES[name](record) for name in objectives]) for record in history]
    known = [(record, values) for record, values in rows if None not in values]
    return tuple(record for record, _ in known), np.array([values for _, values in known], float).reshape(
        len(known), len(objectives)
    )


def front(values: Floats) -> list[int]:
    """Rows that no other row dominates, in their order; of equal ones the first."""
    places = sum(np.unique(column, return_inverse=True)[1] for column in values.T)
    order = np.argsort(-np.asarray(places), kind="stable")
    kept = []
    while len(order):
        best = order[0]  # the largest sum of places of all that are left: nothing left dominates it
        kept.append(int(best))
        order = order[(values[order] > values[best]).any(1)]
    return sorted(kept)


def sorted_fronts(values: Floats) -> Iterator[list[int]]:
    """Fast non-dominated sorting (Deb et al. 2002, III A): the rows of one front after another, the best first."""
    left = np.arange(len(values))
    while len(left):
        found = left[front(values[left])]
        yield [int(i) for i in found]
        left = np.setdiff1d(left, found)


def crowding(values: Floats) -> Floats:
    """Crowding distance within a front (Deb et al. 2002, III B): the ends of each objective are infinitely far."""
    distances = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        span = max(float(np.ptp(column)), 1e-12)
        distances[order[[0, -1]]] = np.inf
        distances[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
    return distances


def foremost(history: Sequence[Record], objectives: Sequence[str], fronts: int = 1) -> tuple[Record, ...]:
    """The candidates of so many first fronts, in slot order.

    More candidates can only push one to a later front, so that what was beyond these fronts once is never needed again.
    """
    nobody: tuple[Record, ...] = ()
    step = partial(_foremost, tuple(objectives), fronts)
    return folded(history, ("fronts", tuple(objectives), fronts), step, nobody)


def _foremost(
    objectives: Sequence[str], fronts: int, leaders: tuple[Record, ...], records: Iterable[Record]
) -> tuple[Record, ...]:
    known, values = measured((*leaders, *records), objectives)
    return tuple(known[i] for i in sorted(chain(*islice(sorted_fronts(values), fronts))))


def scalarised(
    history: Sequence[Record], objectives: Sequence[str], latest: int, rng: np.random.Generator
) -> tuple[Record, ...]:
    """The front and the `latest` candidates, scored by one random mixture of the objectives (ParEGO, Knowles 2006).

    The mixture is the augmented Chebyshev norm of ranks, so that every part of the front, concave ones too, is the
    optimum of some weights. Improvements are over the parent by the same mixture, None where the parent is left out.
    """
    recent = history[max(0, len(history) - latest) :]
    leaders = foremost(history, objectives)
    kept = (*(record for record in leaders if record.number < recent[0].number), *recent)
    known, values = measured(kept, objectives)
    weights = rng.dirichlet(np.ones(len(objectives)))
    parts = _ranks(values) * weights
    scores = parts.min(1) + FLOOR * parts.sum(1)
    mixed = {record.number: float(score) for record, score in zip(known, scores, strict=True)}
    return tuple(replace(record, score=mixed.get(record.number), improvement=_gain(record, mixed)) for record in kept)


def _gain(record: Record, scores: dict[int, float]) -> float | None:
    own, before = scores.get(record.number), None if record.parent is None else scores.get(record.parent)
    return None if own is None or before is None else own - before


def _ranks(values: Floats) -> Floats:
    """Each column as ranks in (0, 1)."""
    from scipy.special import ndtr

    return np.stack([ndtr(normal_scores(column)) for column in values.T], axis=1) if len(values) else values
