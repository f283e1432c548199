"""What the search has done so far, as the planners and the questions see it."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

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

    @property
    def edit_kind(self) -> str | None:
        """Kind of the edit that it became, which a record of a stored run knows without the edit."""
        return None if self.edit is None else self.edit.kind


T = TypeVar("T")

KEPT = 256  # of the best that a history has at hand


class History(Sequence[Record]):
    """Candidates in slot order. An extended history shares records and folds with the one that it extends.

    What depends on all records is folded over the new ones, so that a long history costs no more than a short one.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._records = list(records)
        self._length = len(self._records)
        self._folds: dict[Hashable, tuple[int, Any]] = {}

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Record, ...]: ...
    def __getitem__(self, index: int | slice) -> Record | tuple[Record, ...]:
        if isinstance(index, int):
            return self._records[range(self._length)[index]]
        return tuple(self._records[i] for i in range(self._length)[index])

    def extended(self, records: Iterable[Record]) -> History:
        """With more records. A history can be extended in one way without a copy."""
        if len(self._records) != self._length:
            return History((*self, *records))
        later = History()
        self._records.extend(records)
        later._records, later._folds, later._length = self._records, self._folds, len(self._records)
        return later

    def folded(self, name: Hashable, step: Callable[[T, Iterable[Record]], T], start: T) -> T:
        """`step` of `start` and all records, in parts: a step takes what the records before made of `start`."""
        done, state = self._folds.get(name, (0, start))
        if done > self._length:
            return step(start, self)
        if done < self._length:
            state = step(state, self._records[done : self._length])
            self._folds[name] = self._length, state
        return state


def folded(history: Sequence[Record], name: Hashable, step: Callable[[T, Iterable[Record]], T], start: T) -> T:
    """What History.folded says, of any sequence."""
    return history.folded(name, step, start) if isinstance(history, History) else step(start, history)


def candidate(history: Sequence[Record], number: int) -> Record:
    """The candidate of that number."""
    if number < len(history) and history[number].number == number:
        return history[number]
    return next(record for record in history if record.number == number)


def best(history: Sequence[Record], count: int) -> tuple[Record, ...]:
    """The `count` candidates of highest score, best first; the earlier of two equals."""
    kept = max(count, KEPT)
    nobody: tuple[Record, ...] = ()
    return folded(history, ("best", kept), partial(_leaders, kept), nobody)[:count]


def _leaders(count: int, leaders: tuple[Record, ...], records: Iterable[Record]) -> tuple[Record, ...]:
    found = list(leaders)
    for record in records:
        if record.score is not None and (len(found) < count or _rank(record) < _rank(found[-1])):
            insort(found, record, key=_rank)
            del found[count:]
    return tuple(found)


def _rank(record: Record) -> tuple[float, int]:
    return -(record.score or 0.0), record.number


def abridged(history: Sequence[Record], leaders: int, latest: int) -> tuple[Record, ...]:
    """The latest candidates and the best of the earlier ones, in their order."""
    if len(history) <= latest:
        return tuple(history)
    recent = history[len(history) - latest :]
    earlier = [record for record in best(history, leaders + latest) if record.number < recent[0].number][:leaders]
    return (*sorted(earlier, key=lambda record: record.number), *recent)


def last_improving(history: Sequence[Record]) -> Record | None:
    """The most recent candidate whose edit paid off."""
    return next((record for record in reversed(history) if record.improved and record.edit is not None), None)


def last_of_kind(history: Sequence[Record], kind: str) -> Record | None:
    """The most recent candidate that an edit of this kind made, whatever came of it."""
    return next((record for record in reversed(history) if record.edit_kind == kind), None)
