"""The coarse planner of LLMasTool (arXiv 2604.16555, "H-Thompson"): which parent, which kind of edit, how much LLM.

Two levels of Beta-Bernoulli Thompson sampling on the sign of the improvement: first the edit kind, then, within it, the
way of involving the LLM. With probability epsilon a level is drawn uniformly instead, because the parent keeps
changing and a posterior would lock in. Ours: the priors Beta(1, 1), an epsilon per level, and the posterior of
feasibility, which is reported and never mixed with the one of success.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jnas.planning.history import Record, best, folded
from jnas.planning.plan import WAYS, Plan, Settings, open_arms


@dataclass(frozen=True)
class Posterior:
    """Beta(1 + successes, 1 + failures): what is believed of a success probability after a uniform prior."""

    successes: int
    failures: int

    @property
    def mean(self) -> float:
        return (1 + self.successes) / (2 + self.successes + self.failures)

    @property
    def interval(self) -> tuple[float, float]:
        """The central 90 % credible interval."""
        from scipy.special import betaincinv

        low, high = betaincinv(1 + self.successes, 1 + self.failures, (0.05, 0.95))
        return float(low), float(high)

    def sample(self, rng: np.random.Generator) -> float:
        return float(rng.beta(1 + self.successes, 1 + self.failures))

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.successes} of {self.successes + self.failures}, {self.mean:.2f} [{low:.2f}, {high:.2f}]"


def success(history: Sequence[Record], kind: str, way: str | None = None) -> Posterior:
    """Belief that a trained child is strictly better than its parent; a failed training is a failure."""
    counts = _tally(history)
    return Posterior(*(_sum(counts, outcome, kind, way) for outcome in ("improved", "not improved")))


def feasibility(history: Sequence[Record], kind: str, way: str | None = None) -> Posterior:
    """Belief that a proposal passes the gate; the proposals that did not never touch `success`."""
    counts = _tally(history)
    trained = sum(_sum(counts, outcome, kind, way) for outcome in ("improved", "not improved"))
    return Posterior(trained, _sum(counts, "refused", kind, way))


def arms(history: Sequence[Record]) -> set[tuple[str, str]]:
    """The kinds and ways that some candidate was planned by."""
    return {(kind, str(way)) for outcome, kind, way in _tally(history) if outcome != "refused" and kind is not None}


def _tally(history: Sequence[Record]) -> Mapping[tuple[str, str | None, str | None], int]:
    """How often each (outcome, edit kind, way) occurred."""
    return folded(history, "tally", _counted, Counter())


def _counted(before: Counter[Any], records: Iterable[Record]) -> Counter[Any]:
    counts = Counter(before)
    for record in records:
        counts["improved" if record.improved else "not improved", record.kind, record.way] += 1
        counts.update(("refused", attempt.kind, attempt.way) for attempt in record.infeasible)
    return counts


def _sum(counts: Mapping[Any, int], outcome: str, kind: str, way: str | None) -> int:
    return sum(counts.get((outcome, kind, each), 0) for each in (WAYS if way is None else (way,)))


def thompson(
    history: Sequence[Record],
    settings: Settings,
    rng: np.random.Generator,
    without: frozenset[str] = frozenset(),
    pending: Sequence[Record] = (),
) -> Plan:
    """Parent uniformly from the top K, then edit kind, then way. `without`: kinds this step has given up on."""
    parent = draw_parent(history, settings.top_k, rng)
    kinds = {kind: success(history, kind) for kind in open_arms(history, without)}
    kind, kind_draw = draw_arm(kinds, settings.epsilon, rng)
    ways = {way: success(history, kind, way) for way in WAYS}
    way, way_draw = draw_arm(ways, settings.epsilon, rng)
    explanation = (
        f"parent {parent} of the best {settings.top_k}; {kind} {kind_draw['by']}: improved {kinds[kind]}; "
        f"{way} {way_draw['by']}: improved {ways[way]}; feasible {feasibility(history, kind, way)}"
    )
    return Plan(parent, kind, way, explanation, {"kind": kind_draw, "way": way_draw})


def draw_parent(history: Sequence[Record], top_k: int, rng: np.random.Generator) -> int:
    """A candidate's number, uniform over the `top_k` best; the start tree while nothing has a score."""
    parents = best(history, top_k) or history[:1]
    return parents[int(rng.integers(len(parents)))].number


def draw_arm(
    posteriors: Mapping[str, Posterior], epsilon: float, rng: np.random.Generator
) -> tuple[str, dict[str, Any]]:
    """One arm: with probability epsilon uniformly, else the one with the largest draw from its posterior."""
    arms = tuple(posteriors)
    if rng.random() < epsilon:
        arm, by, sampled = arms[int(rng.integers(len(arms)))], "uniformly", None
    else:
        sampled = {arm: round(posterior.sample(rng), 4) for arm, posterior in posteriors.items()}
        arm, by = max(arms, key=lambda arm: sampled[arm]), "by posterior"
    chosen = posteriors[arm]
    return arm, {
        "by": by,
        "successes": chosen.successes,
        "failures": chosen.failures,
        "mean": round(chosen.mean, 4),
        "interval": [round(end, 4) for end in chosen.interval],
        "sampled": sampled,
    }
