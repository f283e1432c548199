"""The stored candidates as the planner reads them, and the choice of those that are trained longer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import fmean
from typing import Any

from jnas.library.block import Block
from jnas.planning.features import family_of, tree_features
from jnas.planning.history import History, Infeasible, Record
from jnas.runs.database import Candidate, Final, Outline, RunDatabase
from jnas.trees.edits import Edit, edit_from_json
from jnas.trees.node import Node, from_json

LATE = ("tree", "edit", "features", "family")  # of a record: made of the stored documents when they are first read
TREES = 1024  # that are at hand beside those of the records


class Stored(Record):
    """A record that reads its tree and its edit from the database when it is first asked for what is made of them.

    Planners look at few candidates of a long run that closely.
    """

    __slots__ = ("_source", "edit_kind")
    _source: _Source

    def __getattr__(self, name: str) -> Any:  # of a slot that is still empty
        if name == "edit_kind":  # of a copy with changes
            return None if self.edit is None else self.edit.kind
        if name not in LATE:
            raise AttributeError(name)
        value = getattr(self._source, name)(self)
        object.__setattr__(self, name, value)
        return value


@dataclass(frozen=True)
class _Source:
    """What records of one library are made of; `trees` are those of candidates by number."""

    database: RunDatabase
    library: Mapping[str, Block]
    trees: Callable[[int], Node]

    def tree(self, record: Record) -> Node:
        return self.trees(record.number)

    def edit(self, record: Record) -> Edit | None:
        _, edit = self.database.documents(record.number)
        return None if edit is None else edit_from_json(edit, self.library)

    def features(self, record: Record) -> Mapping[str, float]:
        return tree_features(record.tree, self.library)

    def family(self, record: Record) -> str | None:
        if record.parent is None or record.edit is None:
            return None
        return family_of(record.edit, self.trees(record.parent), self.library)


def history(
    database: RunDatabase, library: Mapping[str, Block], before_round: int, known: History | None = None
) -> History:
    """The finished candidates of the rounds before `before_round`, in slot order; `known`: all those of earlier rounds.

    The database stays open for as long as the history is read.
    """
    known = known or History()
    first = known[-1].round + 1 if known else 0
    rows = [row for row in database.outlines(range(first, before_round)) if row.finished]
    return known.extended(_records(rows, database, library))


def pending(database: RunDatabase, library: Mapping[str, Block], round_: int, before_slot: int) -> tuple[Record, ...]:
    """What the slots of a round before `before_slot` have proposed, as if none of it had a result.

    A round is planned from the results of earlier rounds alone: a run that is continued with a larger budget knows some
    of this round, and must plan like one that had it from the start.
    """
    rows = database.outlines(range(round_, round_ + 1))
    proposed = [replace(row, score=None, latency=None) for row in rows if row.slot < before_slot]
    return tuple(_records(proposed, database, library))


def _records(rows: Sequence[Outline], database: RunDatabase, library: Mapping[str, Block]) -> Iterator[Record]:
    if not rows:
        return
    infeasible: dict[tuple[int, int], list[Infeasible]] = {}
    for attempt in database.attempts(first_round=rows[0].round):
        turned_down = Infeasible(attempt.kind, attempt.way, attempt.reason, attempt.idea)
        infeasible.setdefault((attempt.round, attempt.slot), []).append(turned_down)
    trees = lru_cache(TREES)(lambda number: from_json(database.documents(number)[0], library))
    source = _Source(database, library, trees)
    for row in rows:
        record = Stored.__new__(Stored)
        for name, value in (
            ("_source", source),
            ("edit_kind", row.edit_kind),
            ("number", row.number),
            ("round", row.round),
            ("slot", row.slot),
            ("tree_hash", row.tree_hash),
            ("score", row.score),
            ("parameters", row.parameters),
            ("multiply_adds", row.multiply_adds),
            ("parent", row.parent),
            ("kind", row.kind),
            ("way", row.way),
            ("latency", row.latency),
            ("improvement", _difference(row.score, row.parent_score)),
            ("infeasible", tuple(infeasible.get((row.round, row.slot), ()))),
            ("idea", row.idea),
        ):
            object.__setattr__(record, name, value)  # a record is frozen, and what is late has no value yet
        yield record


def score(candidate: Candidate) -> float | None:
    """Validation accuracy in [0, 1]; None for a training that failed or has not ended."""
    result = candidate.result
    return result.accuracy if result is not None and result.status == "ok" else None


def finalists(candidates: Sequence[Candidate], count: int) -> tuple[Candidate, ...]:
    """The `count` best by validation accuracy, the start tree left out; the earlier of two equals."""
    scored = [(-accuracy, row.number, row) for row in candidates if row.number and (accuracy := score(row)) is not None]
    return tuple(row for *_, row in sorted(scored, key=lambda entry: entry[:2])[:count])


def winner(candidates: Sequence[Candidate], finals: Sequence[Final], count: int) -> Candidate | None:
    """Of the finalists the one with the highest validation accuracy after the longer training, averaged over seeds.

    A single finalist needs none. None when there is no candidate with a score. The test split has no part in it.
    """
    best = finalists(candidates, count)
    if count == 1:
        return best[0] if best else None
    means = []
    for row in best:
        results = [final.result for final in finals if (final.number, final.split) == (row.number, "validation")]
        scores = [result.accuracy for result in results if result.accuracy is not None]
        if scores and len(scores) == len(results):
            means.append((fmean(scores), -row.number, row))
    return max(means, key=lambda entry: entry[:2])[2] if means else None


def _difference(score: float | None, parent: float | None) -> float | None:
    return None if score is None or parent is None else score - parent
