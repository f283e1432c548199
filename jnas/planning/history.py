"""What the search has done so far, as the planners and the questions see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jnas.trees.edits import Edit
    from jnas.trees.node import Node


@dataclass(frozen=True)
class Infeasible:
    """A proposal that never trained: what had been planned, and the typed reason."""

    kind: str
    way: str
    reason: str
    idea: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A trained candidate. `kind` is the arm that was planned ("repeat" stays "repeat"; `edit.kind` is what it became).

    `score` is the validation accuracy in [0, 1], None when the training failed; `improvement` is the score minus the
    parent's score, None when either is missing. `latency` is in seconds per image. `infeasible` are the proposals that
    its slot went through before it. `idea` is the key of the idea that the edit realises, where there is one.
    `features` count what the tree is made of; `family` is that of the block that the edit brought or changed.
    The start tree has no parent, edit, kind, way or family.
    """

    number: int
    round: int
    slot: int
    tree: Node
    tree_hash: str
    score: float | None
    parameters: int
    multiply_adds: int
    latency: float | None = None
    parent: int | None = None
    edit: Edit | None = None
    kind: str | None = None
    way: str | None = None
    improvement: float | None = None
    infeasible: tuple[Infeasible, ...] = ()
    features: Mapping[str, float] = field(default_factory=dict)
    family: str | None = None
    idea: str | None = None

    @property
    def improved(self) -> bool:
        return self.improvement is not None and self.improvement > 0


History = tuple[Record, ...]  # in slot order


def candidate(history: Sequence[Record], number: int) -> Record:
    """The candidate of that number."""
    return next(record for record in history if record.number == number)


def best(history: Sequence[Record], count: int) -> tuple[Record, ...]:
    """The `count` candidates of highest score, best first; the earlier of two equals."""
    scores = np.fromiter((np.nan if record.score is None else record.score for record in history), float, len(history))
    known = np.flatnonzero(~np.isnan(scores))
    if len(known) > count:
        last = np.partition(scores[known], -count)[-count]
        known = known[scores[known] >= last]
    order = sorted(known.tolist(), key=lambda i: (-scores[i], history[i].number))
    return tuple(history[i] for i in order[:count])


def abridged(history: Sequence[Record], leaders: int, latest: int) -> tuple[Record, ...]:
    """The best and the latest candidates in their order: a long history costs no more than a short one."""
    if len(history) <= latest:
        return tuple(history)
    earlier = sorted(best(history[:-latest], leaders), key=lambda record: record.number)
    return (*earlier, *history[-latest:])


def last_improving(history: Sequence[Record]) -> Record | None:
    """The most recent candidate whose edit paid off."""
    return next((record for record in reversed(history) if record.edit is not None and record.improved), None)


def last_of_kind(history: Sequence[Record], kind: str) -> Record | None:
    """The most recent candidate that an edit of this kind made, whatever came of it."""
    return next((record for record in reversed(history) if record.edit is not None and record.edit.kind == kind), None)
