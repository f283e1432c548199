"""The planners by name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from jnas.planning.baselines import evolution, local_search, nsga2, random
from jnas.planning.fairnad import fairnad
from jnas.planning.hierarchical import hierarchical
from jnas.planning.history import Record
from jnas.planning.pareto import ACCURACY, OBJECTIVES
from jnas.planning.plan import Plan, Settings
from jnas.planning.thompson import thompson
from jnas.planning.wl_gp import wl_gp
from translators.diagnostics import UserError


class Planner(Protocol):
    """A pure function of the history (never empty: the start tree comes first) and a generator.

    `without`: edit kinds that the step has given up on. `pending`: candidates whose results are not known yet.
    """

    def __call__(
        self,
        history: Sequence[Record],
        settings: Settings,
        rng: np.random.Generator,
        without: frozenset[str] = frozenset(),
        pending: Sequence[Record] = (),
    ) -> Plan: ...


PLANNERS: dict[str, Planner] = {
    "thompson": thompson,
    "hierarchical": hierarchical,
    "fairnad": fairnad,
    "random": random,
    "evolution": evolution,
    "local_search": local_search,
    "nsga2": nsga2,
    "wl_gp": wl_gp,
}
INFORMED = ("fairnad", "hierarchical")  # those that draw ideas
TRADING = ("hierarchical", "fairnad", "nsga2", "random")  # those that do not go by accuracy alone


def planner(name: str) -> Planner:
    """Raises UserError for a name that is not in PLANNERS."""
    if name not in PLANNERS:
        near = difflib.get_close_matches(name, PLANNERS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UserError(f"planner {name!r}: expected one of {', '.join(PLANNERS)}{hint}")
    return PLANNERS[name]


def check_objectives(name: str, objectives: Sequence[str]) -> None:
    """Raises UserError for objectives that do not exist, lack the accuracy, or that the planner would not see."""
    for objective in objectives:
        if objective not in OBJECTIVES:
            near = difflib.get_close_matches(objective, OBJECTIVES, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UserError(f"planner.objectives: {objective!r}: expected some of {', '.join(OBJECTIVES)}{hint}")
    if ACCURACY not in objectives or len({*objectives}) != len(objectives):
        raise UserError(f"planner.objectives = {list(objectives)}: expected {ACCURACY!r} and others, each of them once")
    if len(objectives) > 1 and name not in TRADING:
        raise UserError(
            f"planner.objectives = {list(objectives)}: planner {name!r} sees the accuracy alone; "
            f"choose one of {', '.join(TRADING)}"
        )
