"""The planners by name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from jnas.planning.baselines import evolution, local_search, random
from jnas.planning.hierarchical import hierarchical
from jnas.planning.history import Record
from jnas.planning.plan import Plan, Settings
from jnas.planning.thompson import thompson
from translators.diagnostics import UserError


class Planner(Protocol):
    """A pure function of the history (never empty: the start tree comes first) and a generator."""

    def __call__(
        self,
        history: Sequence[Record],
        settings: Settings,
        rng: np.random.Generator,
        without: frozenset[str] = frozenset(),
    ) -> Plan: ...


PLANNERS: dict[str, Planner] = {
    "thompson": thompson,
    "hierarchical": hierarchical,
    "random": random,
    "evolution": evolution,
    "local_search": local_search,
}


def planner(name: str) -> Planner:
    """Raises UserError for a name that is not in PLANNERS."""
    if name not in PLANNERS:
        near = difflib.get_close_matches(name, PLANNERS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UserError(f"planner {name!r}: expected one of {', '.join(PLANNERS)}{hint}")
    return PLANNERS[name]
