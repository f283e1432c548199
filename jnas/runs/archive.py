"""The stored candidates as the planner reads them, and the choice of those that are trained longer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from jnas.library.block import Block
from jnas.planning.features import family_of, tree_features
from jnas.planning.history import History, Infeasible, Record
from jnas.runs.database import Candidate, Final, RunDatabase
from jnas.trees.edits import edit_from_json
from jnas.trees.node import from_json


def history(
    database: RunDatabase, library: Mapping[str, Block], before_round: int, known: History | None = None
) -> History:
    """The finished candidates of the rounds before `before_round`, in slot order; `known`: those of earlier rounds."""
    known, rows = known or History(), database.candidates()
    last = known[-1].number if known else -1
    new = [row for row in rows if last < row.number and row.round < before_round and row.result is not None]
    return known.extended(_records(new, rows, database, library))


def pending(database: RunDatabase, library: Mapping[str, Block], round_: int, before_slot: int) -> tuple[Record, ...]:
    """What the slots of a round before `before_slot` have proposed, as if none of it had a result.

    A round is planned from the results of earlier rounds alone: a run that is continued with a larger budget knows some
    of this round, and must plan like one that had it from the start.
    """
    rows = database.candidates()
    proposed = [replace(row, result=None) for row in rows if row.round == round_ and row.slot < before_slot]
    return _records(proposed, rows, database, library)


def _records(
    candidates: Sequence[Candidate], every: Sequence[Candidate], database: RunDatabase, library: Mapping[str, Block]
) -> tuple[Record, ...]:
    infeasible: dict[tuple[int, int], list[Infeasible]] = {}
    for attempt in database.attempts():
        turned_down = Infeasible(attempt.kind, attempt.way, attempt.reason, attempt.idea)
        infeasible.setdefault((attempt.round, attempt.slot), []).append(turned_down)
    wanted = {row.number for row in candidates} | {row.parent for row in candidates}
    trees = {row.number: from_json(row.tree, library) for row in every if row.number in wanted}
    scores = {row.number: score(row) for row in (*every, *candidates) if row.number in wanted}
    edits = {row.number: edit_from_json(row.edit, library) for row in candidates if row.edit is not None}
    return tuple(
        Record(
            number=row.number,
            round=row.round,
            slot=row.slot,
            tree=trees[row.number],
            tree_hash=row.tree_hash,
            score=scores[row.number],
            parameters=row.verdict.parameters or 0,
            multiply_adds=row.verdict.multiply_adds or 0,
            parent=row.parent,
            edit=edits.get(row.number),
            kind=None if row.plan is None else row.plan["kind"],
            way=None if row.plan is None else row.plan["way"],
            latency=None if row.result is None else row.result.latency,
            improvement=_difference(scores[row.number], None if row.parent is None else scores.get(row.parent)),
            infeasible=tuple(infeasible.get((row.round, row.slot), ())),
            features=tree_features(trees[row.number], library),
            family=None
            if row.parent is None or row.number not in edits
            else family_of(edits[row.number], trees[row.parent], library),
            idea=row.idea,
        )
        for row in candidates
    )


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
