"""Planners to compare against: the same edits and the same gate, without a posterior. They learn of results alone, so
that pending candidates tell them nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jnas.planning.history import Record, best
from jnas.planning.pareto import crowding, foremost, measured, sorted_fronts
from jnas.planning.plan import WAYS, Plan, Settings, open_arms

POPULATION_PER_TOURNAMENT = 3  # 30 to 10 is common on tables of cells; 100 to 25 in the paper


def random(
    history: Sequence[Record],
    settings: Settings,
    rng: np.random.Generator,
    without: frozenset[str] = frozenset(),
    pending: Sequence[Record] = (),
) -> Plan:
    """Parent, kind and way all uniform, the parent over every candidate that has a score (ours)."""
    parents = [record for record in history if record.score is not None] or history[:1]
    parent = parents[int(rng.integers(len(parents)))].number
    kind, way = _uniform(open_arms(history, without), rng), _uniform(WAYS, rng)
    return Plan(parent, kind, way, f"parent {parent}, {kind} and {way}, all drawn uniformly")


def evolution(
    history: Sequence[Record],
    settings: Settings,
    rng: np.random.Generator,
    without: frozenset[str] = frozenset(),
    pending: Sequence[Record] = (),
) -> Plan:
    """Regularised evolution (Real et al., arXiv 1802.01548): the oldest die, the best of a tournament is the parent.

    The tournament has top_k members, the population 3 top_k; the mutation is uniform and the LLM only fills arguments.
    """
    population = [record for record in history if record.score is not None]
    population = population[-POPULATION_PER_TOURNAMENT * settings.top_k :] or list(history[:1])
    size = min(settings.top_k, len(population))
    tournament = [population[i] for i in sorted(rng.choice(len(population), size, replace=False))]
    parent = (best(tournament, 1) or tournament)[0].number
    kind = _uniform(open_arms((), without), rng)  # of no history, so that nothing is there to repeat
    explanation = f"parent {parent}, best of {size} drawn from the youngest {len(population)}; {kind} drawn uniformly"
    return Plan(parent, kind, "minimal", explanation)


def local_search(
    history: Sequence[Record],
    settings: Settings,
    rng: np.random.Generator,
    without: frozenset[str] = frozenset(),
    pending: Sequence[Record] = (),
) -> Plan:
    """Hill climbing: the best is the parent until one of its children is better (the "query until lower" form of
    White et al., arXiv 2005.02960); the edit is uniform and the LLM only fills arguments.

    Candidates without a parent start a new climb; several in a row start one together.
    """
    starts = [i for i, record in enumerate(history) if record.parent is None]
    start = next((i for i in reversed(starts) if i - 1 not in starts), 0)
    climb = history[start:]
    parent = (best(climb, 1) or climb[:1])[0].number
    kind = _uniform(open_arms((), without), rng)
    return Plan(parent, kind, "minimal", f"parent {parent}, the best of its climb; {kind} drawn uniformly")


def nsga2(
    history: Sequence[Record],
    settings: Settings,
    rng: np.random.Generator,
    without: frozenset[str] = frozenset(),
    pending: Sequence[Record] = (),
) -> Plan:
    """NSGA-II (Deb et al. 2002), one child at a time: the survivors are the 3 top_k first by non-dominated front, then
    by crowding distance; the better of two drawn ones is the parent. The mutation is uniform, the gate keeps the caps.
    """
    count = POPULATION_PER_TOURNAMENT * settings.top_k  # and no more fronts can be needed: each has a candidate
    known, values = measured(foremost(history, settings.objectives, count), settings.objectives)
    survivors: list[tuple[int, float, int]] = []  # front, minus the crowding distance, number: the least is the best
    for rank, front in enumerate(sorted_fronts(values)):
        survivors += [(rank, -away, known[i].number) for i, away in zip(front, crowding(values[front]), strict=True)]
        if len(survivors) >= count:
            break
    survivors = sorted(survivors)[:count] or [(0, 0.0, history[0].number)]
    size = min(2, len(survivors))
    rank, _, parent = min(survivors[i] for i in rng.choice(len(survivors), size, replace=False))
    kind = _uniform(open_arms((), without), rng)
    explanation = f"parent {parent} of front {rank + 1}, best of {size} of {len(survivors)}; {kind} drawn uniformly"
    return Plan(parent, kind, "minimal", explanation)


def _uniform(options: Sequence[str], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]
