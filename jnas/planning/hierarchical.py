"""The Bayesian planner (ours): where and how to edit, and which of the children to prefer.

A plan names parents that are good, or new while the search is stuck; edit kind and way are the best in one draw from
the posterior of effects.py for one of them in its state (Thompson sampling of their joint utility); the preference that
goes with the plan ranks children of all of them (preference.py), with what the same posterior says of families and
depths. Of several objectives each plan draws a mixture (pareto.py), and sees that as the score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from jnas.planning import effects
from jnas.planning.devices import on_one_core
from jnas.planning.fairnad import apart, by_knowledge
from jnas.planning.history import Record, abridged
from jnas.planning.pareto import scalarised
from jnas.planning.plan import WAYS, Plan, Settings, open_arms
from jnas.planning.preference import REMEMBERED, prefer
from jnas.planning.thompson import draw_parent, feasibility, success

LEARNED = 24  # candidates from which on the pooled posterior serves; before, the conjugate one in closed form
PREPARED = 16  # candidates at which its compilation starts in the background: a short search does without

Arm = tuple[str, str]  # edit kind, way
Belief = dict[str, tuple[float, float, float]]  # of an outcome: posterior mean, 90 % interval


@on_one_core
def hierarchical(
    history: Sequence[Record],
    settings: Settings,
    rng: np.random.Generator,
    without: frozenset[str] = frozenset(),
    pending: Sequence[Record] = (),
) -> Plan:
    """`without` may name ways besides kinds. A single arm that is left needs no draw."""
    if (plan := by_knowledge(history, settings, rng, without, pending)) is not None:
        return plan
    if len(settings.objectives) > 1:
        history = scalarised(history, settings.objectives, effects.WINDOW, rng)
    history = abridged(history, REMEMBERED, effects.WINDOW)
    if settings.knowledge is not None:
        history = apart(history)
    preference = prefer(history, settings, pending)
    parents = preference.parents if preference else (draw_parent(history, settings.top_k, rng),)
    parent = parents[int(rng.integers(len(parents)))]
    ways = [way for way in WAYS if way not in without] or WAYS
    arms = [(kind, way) for kind in open_arms(history, without) for way in ways]
    weight = preference.weight if preference else 0.0
    trained = sum(record.kind is not None for record in history[-effects.WINDOW :])
    if trained >= PREPARED and len(arms) > 1:
        effects.prepare()
    if trained < LEARNED or len(arms) == 1:
        by = "closed form"
        utilities = {arm: feasibility(history, *arm).sample(rng) * success(history, *arm).sample(rng) for arm in arms}
        arm = max(arms, key=lambda arm: utilities[arm])
        belief = conjugate(history, arm)
    else:
        tables = effects.tabulate(history)
        _, state = effects.standings(history)
        drawn = effects.draw(tables, int(rng.integers(2**32)), state(parent))
        by = f"posterior draw for a parent {effects.STATES[state(parent)]}"
        averages = effects.over_places(effects.utility(drawn, weight)[:1], tables)[0]
        utilities = {arm: float(averages[effects.index(arm)]) for arm in arms}
        arm = max(arms, key=lambda arm: utilities[arm])
        belief = pooled(tables, drawn, arm)
        preference = preference and replace(preference, promise=effects.promise(drawn, arm, weight))
    explanation = (
        f"children of {_numbers(parents)}; {arm[0]}, {arm[1]} by {by}: "
        + ", ".join(f"{name} {mean:.2f} [{low:.2f}, {high:.2f}]" for name, (mean, low, high) in belief.items())
        + f"; diversity weighs {weight:.2f}"
    )
    draws = {
        "by": by,
        "diversity weight": round(weight, 4),
        "parents": list(parents),
        "utilities": {f"{kind} {way}": round(value, 4) for (kind, way), value in utilities.items()},
        "outcomes": {name: [round(value, 4) for value in values] for name, values in belief.items()},
    }
    return Plan(parent, *arm, explanation, draws, preference)


def _numbers(parents: Sequence[int]) -> str:
    *others, last = map(str, parents)
    return f"{', '.join(others)} and {last}" if others else last


def conjugate(history: Sequence[Record], arm: Arm) -> Belief:
    """Independent Beta posteriors of an arm: what is known before the pooled posterior serves."""
    beliefs = {"feasible": feasibility(history, *arm), "improved": success(history, *arm)}
    return {name: (belief.mean, *belief.interval) for name, belief in beliefs.items()}


def pooled(tables: effects.Tables, drawn: Mapping[str, effects.Floats], arm: Arm) -> Belief:
    """The outcomes of an arm, averaged over the places as they occurred."""
    belief: Belief = {}
    for name, values in effects.outcomes(drawn).items():
        of_arm = effects.over_places(values, tables)[:, *effects.index(arm)]
        low, high = np.quantile(of_arm, (0.05, 0.95))
        belief[name] = (float(of_arm.mean()), float(low), float(high))
    return belief
