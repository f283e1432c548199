"""Milliseconds of a plan, and that they do not grow with the history, in processor time: other work does not count."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

from jnas.benchmarks.rows import Row
from jnas.library.block import FAMILIES
from jnas.planning import effects
from jnas.planning.history import History, Record
from jnas.planning.plan import WAYS, Settings
from jnas.planning.planners import PLANNERS
from jnas.trees.edits import KINDS, Edit

LONGEST = 50.0
LENGTHS = (100, 100_000)
REPEATS = 9
CHILDREN = 24  # of a plan, that its preference ranks
LABELS, LABELS_OF_ONE = 400, 40  # different features, and those of one tree


def measure() -> Sequence[Row]:
    """The median of some plans of each planner after each length of history, with the ranking of the children.

    Before each plan the history grows by one candidate, as in a search.
    """
    rows: list[Row] = []
    for name in PLANNERS:
        for length in LENGTHS:
            high = LONGEST if name == "hierarchical" else None
            records = made(length + REPEATS)
            rows.append(Row(f"{name}: after {length:,} candidates", _median(name, records), "ms", high=high))
    rows.append(Row("hierarchical: compiled programs", effects.program().compilations(), high=1))  # type: ignore[attr-defined]
    return rows


def _median(name: str, records: Sequence[Record]) -> float:
    history = History(records[:-REPEATS])
    children = [record.features for record in made(CHILDREN, seed=1)]
    milliseconds = []
    for repeat in range(REPEATS + 1):  # the first one compiles, and folds all that there is
        history = history.extended(records[len(history) : len(records) - REPEATS + repeat])
        began = time.process_time()
        plan = PLANNERS[name](history, Settings(), np.random.default_rng(repeat))
        if plan.preference is not None:
            plan.preference.score(children)
        milliseconds.append(1000 * (time.process_time() - began))
    return float(np.median(milliseconds[1:]))


def made(length: int, seed: int = 0) -> tuple[Record, ...]:
    """A history of random edits with random outcomes."""
    return tuple(_made(length, np.random.default_rng(seed)))


def _made(length: int, rng: np.random.Generator) -> Iterator[Record]:
    scores: list[float] = []
    for number in range(length):
        scores.append(float(rng.random()))
        features = {f"{label}": 1.0 + float(label % 3) for label in rng.integers(LABELS, size=LABELS_OF_ONE)}
        edited = {}
        if number:
            parent = int(rng.integers(number))
            edited = {
                "parent": parent,
                "edit": Edit("set", ("stages", 0, "body", 0)),
                "kind": KINDS[rng.integers(len(KINDS))],
                "way": WAYS[rng.integers(len(WAYS))],
                "family": FAMILIES[rng.integers(len(FAMILIES))],
                "improvement": scores[number] - scores[parent],
            }
        size = int(rng.integers(1, 1_000_000))
        yield Record(number, number, 0, None, f"{number}", scores[number], size, size, features=features, **edited)  # type: ignore[arg-type]
