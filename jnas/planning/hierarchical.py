"""The Bayesian planner (ours): where and how to edit, and which of the children to prefer.

A plan takes its parent from the candidates that are good, or new while the search is stuck; edit kind and way are the
best in one draw from the posterior of effects.py (Thompson sampling of their joint utility); the preference that goes
with the plan ranks the children (preference.py), with what the same posterior says of families and depths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jnas.planning import effects
from jnas.planning.history import Record
from jnas.planning.plan import WAYS, Plan, Settings, open_arms
from jnas.planning.preference import prefer
from jnas.planning.thompson import draw_parent, feasibility, success

LEARNED = 12  # candidates from which on the pooled posterior serves; before, the conjugate one in closed form
PREPARED = 4  # candidates at which its compilation starts in the background

Arm = tuple[str, str]  # edit kind, way


@dataclass(frozen=True)
class Beliefs:
    """Of each arm one draw of its utility, and posterior mean and 90 % interval of each outcome."""

    source: str
    drawn: Mapping[Arm, float]
    outcomes: Mapping[Arm, Mapping[str, tuple[float, float, float]]]


def hierarchical(
    history: Sequence[Record], settings: Settings, rng: np.random.Generator, without: frozenset[str] = frozenset()
) -> Plan:
    """`without` may name ways besides kinds. A single arm that is left needs no draw."""
    preference = prefer(history, settings.top_k)
    parents = preference.parents if preference else (draw_parent(history, settings.top_k, rng),)
    parent = parents[int(rng.integers(len(parents)))]
    ways = [way for way in WAYS if way not in without] or WAYS
    arms = [(kind, way) for kind in open_arms(history, without) for way in ways]
    weight = preference.weight if preference else 0.0
    trained = sum(record.kind is not None for record in history)
    if trained >= PREPARED and len(arms) > 1:
        effects.prepare()
    if trained < LEARNED or len(arms) == 1:
        beliefs = conjugate(history, arms, rng)
        chosen = max(arms, key=lambda arm: beliefs.drawn[arm])
    else:
        tables = effects.tabulate(history)
        drawn = effects.draw(tables, int(rng.integers(2**32)))
        beliefs = pooled(tables, drawn, arms, weight)
        chosen = max(arms, key=lambda arm: beliefs.drawn[arm])
        if preference:
            preference = replace(preference, promise=effects.promise(drawn, chosen, weight))
    told = beliefs.outcomes[chosen]
    explanation = (
        f"parent {parent} of the {len(parents)} most promising; {chosen[0]}, {chosen[1]} by {beliefs.source}: "
        + ", ".join(f"{name} {mean:.2f} [{low:.2f}, {high:.2f}]" for name, (mean, low, high) in told.items())
        + f"; diversity weighs {weight:.2f}"
    )
    draws: dict[str, Any] = {
        "by": beliefs.source,
        "diversity weight": round(weight, 4),
        "parents": list(parents),
        "utilities": {f"{kind} {way}": round(value, 4) for (kind, way), value in beliefs.drawn.items()},
        "outcomes": {name: [round(value, 4) for value in values] for name, values in told.items()},
    }
    return Plan(parent, *chosen, explanation, draws, preference)


def conjugate(history: Sequence[Record], arms: Sequence[Arm], rng: np.random.Generator) -> Beliefs:
    """Independent Beta posteriors; the utility is the chance of a feasible improvement."""
    drawn, outcomes = {}, {}
    for arm in arms:
        feasible, improved = feasibility(history, *arm), success(history, *arm)
        drawn[arm] = feasible.sample(rng) * improved.sample(rng)
        outcomes[arm] = {
            "feasible": (feasible.mean, *feasible.interval),
            "improved": (improved.mean, *improved.interval),
        }
    return Beliefs("closed form", drawn, outcomes)


def pooled(tables: effects.Tables, drawn: Mapping[str, effects.Floats], arms: Sequence[Arm], weight: float) -> Beliefs:
    """The pooled posterior, over the places as they occurred; the utility is that of its first draw."""
    utilities = effects.over_places(effects.utility(drawn, weight), tables)
    averages = {name: effects.over_places(values, tables) for name, values in effects.outcomes(drawn).items()}
    cells = {arm: effects.index(arm) for arm in arms}
    return Beliefs(
        "posterior draw",
        {arm: float(utilities[0, *cell]) for arm, cell in cells.items()},
        {
            arm: {
                name: (float(np.mean(v := values[:, *cell])), *(float(end) for end in np.quantile(v, (0.05, 0.95))))
                for name, values in averages.items()
            }
            for arm, cell in cells.items()
        },
    )
