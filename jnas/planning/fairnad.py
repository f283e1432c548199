"""FairNAD's search (arXiv 2605.19247): rounds of attribute-fair, Pareto-aware and iterative candidates.

Attribute-fair: a good parent and the idea that is next in fair order. Pareto-aware: a parent from the front of accuracy
and costs, scaled up or tuned in something other than depth and width. Iterative: the best candidate, and a choice of
ideas similar or opposite to those behind it, realised in two steps. Ours: the parents of the first stage come from the
top K; the order is counter-fair (see jnas.knowledge.sampling); similar means of the same sub-category, opposite of
another category at the same level; without ideas every candidate is Pareto-aware.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from jnas.knowledge.ideas import SIGNS, Idea, Knowledge, category_of
from jnas.knowledge.sampling import draw_idea, least
from jnas.knowledge.template import SubCategory
from jnas.library.block import ROLES
from jnas.planning.history import Record, best, candidate, folded
from jnas.planning.pareto import ACCURACY, foremost
from jnas.planning.plan import Aim, Plan, Settings
from jnas.planning.thompson import Posterior, arms, draw_parent, feasibility, success

FAIR, PARETO, ITERATIVE = STAGES = ("attribute-fair", "Pareto-aware", "iterative")
KNOWLEDGE = "knowledge"  # in the place of a way, where another planner draws an idea
IDEA, SCALE_UP, TUNE = "idea", "scale up", "tune"  # in the place of an edit kind
REPAIRS = 2
REFINEMENTS = 2  # steps of an iterative candidate
OFFERED = 8  # ideas among which an iterative candidate has the choice
TRADED = (ACCURACY, "parameters", "multiply_adds")
SIZES = ("depth", "width", "output width", "input width")
UP = Aim("Make the network larger: wider or deeper.", ("set",), roles=SIZES, sign=1)
OTHER = Aim(
    "Tune a setting that is neither a depth nor a width.",
    ("set",),
    roles=tuple(role for role in (*ROLES, "join") if role not in SIZES),
)


def fairnad(
    history: Sequence[Record],
    settings: Settings,
    rng: np.random.Generator,
    without: frozenset[str] = frozenset(),
    pending: Sequence[Record] = (),
) -> Plan:
    """`without` may name ideas by key besides kinds."""
    knowledge = settings.knowledge
    stage = stage_of((pending or history)[-1].number + 1, settings.stages)
    if knowledge is None or not knowledge.ideas or stage == PARETO:
        return _pareto(history, settings, rng, without)
    if stage == FAIR:
        return _fair(history, settings, knowledge, rng, without, pending)
    return _iterative(history, knowledge, rng, without)


def by_knowledge(
    history: Sequence[Record],
    settings: Settings,
    rng: np.random.Generator,
    without: frozenset[str] = frozenset(),
    pending: Sequence[Record] = (),
) -> Plan | None:
    """The next idea in fair order, as one more way of another planner (ours): when a draw from the posteriors says that
    ideas pass the gate and pay off more often than what the planner does else. None otherwise, and without ideas.
    """
    if settings.knowledge is None or not settings.knowledge.ideas:
        return None
    other = sorted((kind, way) for kind, way in arms(history) if way != KNOWLEDGE)
    ideas = feasibility(history, IDEA, KNOWLEDGE).sample(rng) * success(history, IDEA, KNOWLEDGE).sample(rng)
    passed, paid = (
        _summed(feasibility(history, *arm) for arm in other),
        _summed(success(history, *arm) for arm in other),
    )
    if ideas < passed.sample(rng) * paid.sample(rng):
        return None
    return _fair(history, settings, settings.knowledge, rng, without, pending, KNOWLEDGE)


def apart(history: Sequence[Record]) -> tuple[Record, ...]:
    """The same candidates, those of ideas without kind and way: no arm of the other planner made them."""
    return tuple(
        replace(
            record,
            kind=None if record.way == KNOWLEDGE else record.kind,
            way=None if record.way == KNOWLEDGE else record.way,
            infeasible=tuple(attempt for attempt in record.infeasible if attempt.way != KNOWLEDGE),
        )
        for record in history
    )


def stage_of(number: int, sizes: Sequence[int]) -> str:
    """The stage of candidate `number`, counted from 1: a cycle of the stages' sizes."""
    ends = np.cumsum(sizes)
    return STAGES[int(np.searchsorted(ends, (number - 1) % int(ends[-1]), side="right"))]


def objectives(chosen: Sequence[str]) -> tuple[str, ...]:
    """What the front trades off: those chosen, the paper's where accuracy alone is."""
    return tuple(chosen) if len(chosen) > 1 else TRADED


def draws(records: Sequence[Record], stage: str) -> Counter[str]:
    """How often a stage has drawn each idea, realised or not; a slot draws an idea once."""
    return folded(records, ("draws", stage), partial(_more_draws, stage), Counter())


def _more_draws(stage: str, before: Counter[str], records: Iterable[Record]) -> Counter[str]:
    return before + Counter(key for record in records for key in ideas_of(record, stage))


def ideas_of(record: Record, stage: str) -> set[str]:
    tried = {attempt.idea for attempt in record.infeasible if attempt.way == stage}
    return {key for key in (*tried, record.idea if record.way == stage else None) if key is not None}


def aim(idea: Idea, sub: SubCategory, edits: int = 1, prefix: str = "") -> Aim:
    """What realises an idea, as its sub-category says."""
    return Aim(
        prefix + idea.text,
        sub.kinds,
        sub.roles,
        sub.families,
        sub.forms,
        sub.where,
        SIGNS[idea.direction],
        max(idea.edits, edits),
        idea.key,
    )


def _fair(
    history: Sequence[Record],
    settings: Settings,
    knowledge: Knowledge,
    rng: np.random.Generator,
    without: Collection[str],
    pending: Sequence[Record],
    stage: str = FAIR,
) -> Plan:
    keys = {idea.key for idea in knowledge.ideas}
    drawn = draws(history, stage) + draws(pending, stage) + Counter(key for key in without if key in keys)
    idea = draw_idea(knowledge.ideas, drawn, rng, without)
    parent = draw_parent(history, settings.top_k, rng)
    explanation = f"parent {parent} of the best {settings.top_k}; the next idea in fair order, of {idea.place}"
    return Plan(
        parent,
        IDEA,
        stage,
        explanation,
        _told(idea),
        aims=(aim(idea, knowledge.template.subs[idea.place]),),
        tries=1 + REPAIRS,
    )


def _pareto(history: Sequence[Record], settings: Settings, rng: np.random.Generator, without: Collection[str]) -> Plan:
    parents = foremost(history, objectives(settings.objectives)) or history[:1]
    parent = parents[int(rng.integers(len(parents)))].number
    kinds = [kind for kind in (SCALE_UP, TUNE) if kind not in without] or [SCALE_UP, TUNE]
    kind = kinds[int(rng.integers(len(kinds)))]
    explanation = f"parent {parent} of the {len(parents)} on the front; {kind}"
    return Plan(parent, kind, PARETO, explanation, aims=(UP if kind == SCALE_UP else OTHER,), tries=1 + REPAIRS)


def _iterative(
    history: Sequence[Record], knowledge: Knowledge, rng: np.random.Generator, without: Collection[str]
) -> Plan:
    template = knowledge.template
    leader = (best(history, 1) or history[:1])[0]
    behind = {place for place in _places_behind(leader, history) if place in template.subs}
    levels = {template.level(place) for place in behind}
    used = draws(history, ITERATIVE)
    left = [idea for idea in knowledge.ideas if idea.key not in without] or knowledge.ideas
    similar = [idea for idea in left if idea.place in behind]
    categories = {category_of(place) for place in behind}
    opposite = [
        idea
        for idea in left
        if idea.category not in categories and (not levels or template.level(idea.place) in levels)
    ]
    offered = [(idea, "similar: ") for idea in _few(similar, OFFERED // 2, used, rng)]
    offered += [(idea, "opposite: ") for idea in _few(opposite, OFFERED - len(offered), used, rng)]
    offered = offered or [(idea, "") for idea in _few(left, OFFERED, used, rng)]
    aims = tuple(aim(idea, template.subs[idea.place], REFINEMENTS, prefix) for idea, prefix in offered)
    explanation = f"parent {leader.number}, the best; {len(aims)} ideas similar or opposite to {len(behind)} behind it"
    return Plan(leader.number, IDEA, ITERATIVE, explanation, aims=aims, tries=1 + REPAIRS)


def _summed(posteriors: Iterable[Posterior]) -> Posterior:
    """Of all their trials together."""
    found = list(posteriors)
    return Posterior(sum(each.successes for each in found), sum(each.failures for each in found))


def _places_behind(record: Record, history: Sequence[Record]) -> Iterator[str]:
    """Sub-categories of the ideas that led to a candidate."""
    while True:
        if record.idea is not None:
            yield record.idea.rpartition("/")[0]
        if record.parent is None:
            return
        record = candidate(history, record.parent)


def _few(ideas: Sequence[Idea], count: int, used: Counter[str], rng: np.random.Generator) -> Iterator[Idea]:
    """Those used least, in random order among equals."""
    by_key = {idea.key: idea for idea in ideas}
    while by_key and count:
        yield by_key.pop(least(sorted(by_key), used, rng))
        count -= 1


def _told(idea: Idea) -> dict[str, object]:
    return {"idea": {"place": idea.place, "text": idea.text, "source": dict(idea.source)}}
