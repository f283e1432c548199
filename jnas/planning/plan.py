"""What a planner decides, and what every planner is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from jnas.planning.history import Record, last_improving
from jnas.planning.pareto import ACCURACY
from jnas.trees.edits import KINDS

if TYPE_CHECKING:
    from jnas.knowledge.ideas import Knowledge
    from jnas.planning.regression import Features, Floats

REPEAT = "repeat"
ARMS = (*KINDS, REPEAT)
WAYS = ("trust", "reverse", "minimal")
TRIES = 10  # proposals by one plan before another is made (ours)


@dataclass(frozen=True)
class Settings:
    """`top_k`: how many of the best may be parents. `epsilon`: chance that a level is drawn uniformly (thompson).
    `diversity`: weight of a diversity gain of 1 when the search is stuck (hierarchical). `objectives`: what is to be
    traded off, names of pareto.OBJECTIVES (hierarchical, nsga2, fairnad). `knowledge`: the ideas that this library
    can realise; `stages`: how many candidates of a round are attribute-fair, Pareto-aware and iterative (fairnad).

    LLMasTool takes top_k = 5 for a budget of 100 candidates and 25 for 500, epsilon = 0.5.
    """

    top_k: int = 5
    epsilon: float = 0.5
    diversity: float = 0.5
    objectives: tuple[str, ...] = (ACCURACY,)
    knowledge: Knowledge | None = None
    stages: tuple[int, ...] = (8, 8, 4)


@dataclass(frozen=True)
class Aim:
    """What `edits` edits, one after another, shall bring about: `words` for whoever chooses, the rest are limits.

    `kinds` are edit kinds, `families` those of blocks that may come in (none: any); `roles`, `forms`, `where` and
    `sign` as in trees.scope. `idea` is the key of the idea behind it.
    """

    words: str
    kinds: tuple[str, ...]
    roles: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    where: str = ""
    sign: int = 0
    edits: int = 1
    idea: str | None = None


class Preference(Protocol):
    """Which children of which parents a planner would like to see, by the features of their trees."""

    @property
    def parents(self) -> tuple[int, ...]: ...

    def score(self, children: Sequence[Features], where: Sequence[tuple[str | None, int]] = ()) -> Floats:
        """One number per child, higher is better. `where`: family and depth of the edits that make them."""
        ...

    def expectation(self, child: Features) -> Mapping[str, float]:
        """`mean`, `low`, `high`: the share of the archive that the child is believed to beat; `gain`: its diversity."""
        ...


@dataclass(frozen=True)
class Plan:
    """Edit candidate number `parent` by an edit of `kind` (one of ARMS), involving the LLM by `way` (one of WAYS).

    `explanation` is one line for people; `draws` holds the same as plain data: per level, how it was drawn and the
    posterior of what was chosen. `preference` orders the edits that fit the plan; without one they are all alike.
    Of `aims`, where there are any, one is chosen and realised. `tries` proposals are made before the plan is given up.
    """

    parent: int
    kind: str
    way: str
    explanation: str
    draws: Mapping[str, Any] = field(default_factory=dict)
    preference: Preference | None = field(default=None, compare=False, repr=False)
    aims: tuple[Aim, ...] = ()
    tries: int = TRIES

    def to_plain(self) -> dict[str, Any]:
        """What is stored of it: what does not follow from the history and the settings."""
        return {name: vars(self)[name] for name in ("parent", "kind", "way", "explanation", "draws")}

    def expecting(self, child: Features) -> Plan:
        """The plan with what was believed of the child that came of it."""
        if self.preference is None:
            return self
        found = self.preference.expectation(child)
        words = "better than {mean:.0%} [{low:.0%}, {high:.0%}] of the archive, {gain:.2f} from it".format(**found)
        draws = {**self.draws, "child": dict(found)}
        return replace(self, explanation=f"{self.explanation}; this child: {words}", draws=draws)


def open_arms(history: Sequence[Record], without: frozenset[str]) -> tuple[str, ...]:
    """The edit kinds that a step may still draw: those not tried in vain, and "repeat" once something has paid off.

    When everything has been tried in vain all kinds are open again: what was infeasible at random may now fit.
    """
    arms = ARMS if last_improving(history) else KINDS
    return tuple(arm for arm in arms if arm not in without) or arms
