"""How many trainings the planners need on a table of cells whose results are known.

Every search begins with cells drawn at random, of one seed the same for all planners, sees a signal (the accuracy of
one 200-epoch trial, or after 12 epochs), and never pays twice for cells that compute the same function. It has arrived
when it has queried a cell whose mean accuracy over the 200-epoch trials is within WITHIN of the best cell's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jnas.benchmarks.arrivals import picture
from jnas.benchmarks.cells import Space, read_table
from jnas.benchmarks.jobs import done
from jnas.benchmarks.rows import Row
from jnas.planning.history import Record
from jnas.planning.plan import ARMS, WAYS, Plan, Settings
from jnas.planning.planners import PLANNERS
from jnas.runs.directory import write_atomically
from jnas.runs.randomness import generator
from jnas.trees.edits import Edit
from translators.diagnostics import UserError

WITHIN = 0.1  # per cent
FIRST = 3  # cells drawn at random
POPULATION = 30  # of regularised evolution as published, which draws all of it at random
SHARE = 0.4  # of the queries of a baseline that PROPOSED may need
TOGETHER = 10  # seeds of one job
RESAMPLES = 2000
PROPOSED = "hierarchical"
SETTINGS = {"evolution": Settings(top_k=10)}  # a population of 30, tournaments of 10; the others as in the main job
NOT_FOR_CELLS = frozenset((*ARMS, *WAYS)) - {"set", "minimal"}  # settings are all there is, and nobody to ask
REDRAWS = 20  # of a plan whose parent has no child left, before a cell is drawn at random

Cells = Iterator[int]  # in the order of the queries, none twice, until there are no more
Searcher = Callable[[Space, NDArray[np.float64], np.random.Generator], Cells]


def measure(
    table: Path | None = None,
    seeds: int = 100,
    queries: int = 500,
    plot: Path | None = None,
    results: Path | None = None,
) -> Sequence[Row]:
    """Median queries of every planner on every data set and signal of the table. Raises UserError.

    `results` keeps what is done, see jobs.py.
    """
    if table is None:
        raise UserError(
            "benchmark planner: expected --table FILE, an .npz table; jnas/benchmarks/cells.py describes it"
        )
    if plot is not None and not plot.resolve().parent.is_dir():
        raise UserError(f"--plot {plot}: there is no folder {plot.parent}; make it first")
    space = read_table(table)
    rows = [Row("distinct cells", len(space))]
    needed: dict[str, dict[str, NDArray[np.float64]]] = {dataset: {} for dataset in space.search}
    digest = hashlib.sha256(table.read_bytes()).hexdigest()
    parts = [list(range(seeds))[start : start + TOGETHER] for start in range(0, seeds, TOGETHER)]
    searches = [(name, dataset) for name in SEARCHERS for dataset in needed]
    jobs = [(str(table), digest, dataset, name, part, queries) for name, dataset in searches for part in parts]
    counts = iter(done(needed_queries, jobs, results))
    for name, dataset in searches:
        needed[dataset][name] = np.array([number for _ in parts for number in next(counts)], float)
    for dataset, counts_of in needed.items():
        means, scores = space.report[dataset], space.search[dataset]
        arrived = means >= means.max() - WITHIN
        above = int((scores > scores[arrived].max()).sum())
        note = f"{arrived.sum()} cells within {WITHIN}; {above} cells look better than all of them to the search"
        rows.append(Row(f"{dataset}: best mean", round(float(means.max()), 2), "%", note=note))
        rows += summary(dataset, counts_of, queries)
    if plot is not None:
        write_atomically(plot, picture(needed, queries))
    return rows


def needed_queries(table: str, digest: str, dataset: str, name: str, seeds: Sequence[int], queries: int) -> list[int]:
    """Of one of SEARCHERS, for each seed. `digest` is that of the table."""
    space = _table(Path(table))
    means, scores = space.report[dataset], space.search[dataset]
    arrived = means >= means.max() - WITHIN
    searches = (SEARCHERS[name](space, scores, generator(seed, dataset)) for seed in seeds)
    return [count(cells, arrived, queries) for cells in searches]


_table = cache(read_table)


def summary(dataset: str, needed: Mapping[str, NDArray[np.float64]], queries: int) -> Iterator[Row]:
    """Medians with 90 % bootstrap intervals, and the shares of the baselines' queries that PROPOSED needs."""
    # One resampling of seeds for all: searches of the same seed begin with the same cells.
    size = len(needed[PROPOSED])
    drawn = generator(0, dataset, "bootstrap").integers(size, size=(RESAMPLES, size))
    for name, counts in needed.items():
        failed = int((counts > queries).sum())
        note = _interval(np.median(counts[drawn], axis=1)) + (f"; {failed} of {size} never arrived" if failed else "")
        yield Row(f"{dataset}: {name}", float(np.median(counts)), "queries", note=note)
    for name, target in TARGETS.items():
        yield _share(dataset, PROPOSED, name, needed, drawn, target)
    yield _share(dataset, "thompson", "random", needed, drawn, 1.0)


def _share(
    dataset: str,
    name: str,
    baseline: str,
    needed: Mapping[str, NDArray[np.float64]],
    drawn: NDArray[np.integer],
    target: float | None,
) -> Row:
    """Ratio of the medians, with the interval that the resamples give."""
    share = float(np.median(needed[name]) / np.median(needed[baseline]))
    resampled = np.median(needed[name][drawn], axis=1) / np.median(needed[baseline][drawn], axis=1)
    return Row(f"{dataset}: {name} / {baseline}", share, high=target, note=_interval(resampled))


def _interval(values: NDArray[np.float64]) -> str:
    low, high = np.quantile(values, (0.05, 0.95))
    return f"90 % interval {low:.3g} to {high:.3g}"


def count(cells: Cells, arrived: NDArray[np.bool_], queries: int) -> int:
    """Queries up to the first cell that has `arrived`; one more than allowed when none has."""
    return next((i for i, cell in enumerate(islice(cells, queries), 1) if arrived[cell]), queries + 1)


def planned(
    name: str, space: Space, scores: NDArray[np.float64], rng: np.random.Generator, first: int = FIRST
) -> Cells:
    """The search loop with one of PLANNERS; what the plan leaves open is drawn uniformly, as without an LLM."""
    settings = SETTINGS.get(name, Settings())
    history: list[Record] = []
    numbers: dict[int, int] = {}  # of queried cells

    def query(cell: int, parent: int | None = None) -> int:
        numbers[cell] = len(history)
        history.append(record(space, scores, cell, history, parent))
        return cell

    for cell in rng.permutation(len(space))[:first]:
        yield query(int(cell))
    while len(numbers) < len(space):
        for _ in range(REDRAWS):
            plan = PLANNERS[name](history, settings, rng, NOT_FOR_CELLS)
            parents = plan.preference.parents if plan.preference else (plan.parent,)
            family = {
                child: parent
                for parent in reversed(parents)
                for child in space.neighbours(int(history[parent].tree_hash))
                if child not in numbers
            }
            if family:
                child = choose(plan, space, sorted(family), rng)
                yield query(child, family[child])
                break
            if plan.preference:  # it says the same of every draw
                yield query(_unseen(space, numbers, rng))
                break
        else:
            yield query(_unseen(space, numbers, rng))


def choose(plan: Plan, space: Space, children: Sequence[int], rng: np.random.Generator) -> int:
    """What the plan prefers, the first in random order of equals; any when it has no preference."""
    shuffled = [children[i] for i in rng.permutation(len(children))]
    if plan.preference is None:
        return shuffled[0]
    return shuffled[int(np.argmax(plan.preference.score([space.features(child) for child in shuffled])))]


def record(
    space: Space, scores: NDArray[np.float64], cell: int, history: Sequence[Record], parent: int | None
) -> Record:
    """A queried cell as the planners read it."""
    number, score = len(history), float(scores[cell]) / 100
    edited = {} if parent is None else {"edit": Edit("set", ()), "kind": "set", "way": "minimal", "parent": parent}
    return Record(
        number=number,
        round=number,
        slot=0,
        tree=space.tree(cell),
        tree_hash=str(cell),
        score=score,
        parameters=0,
        multiply_adds=0,
        improvement=None if parent is None else score - (history[parent].score or 0.0),
        features=space.features(cell),
        **edited,  # type: ignore[arg-type]
    )


def whole_neighbourhoods(space: Space, scores: NDArray[np.float64], rng: np.random.Generator) -> Cells:
    """Local search (White et al., arXiv 2005.02960): query all neighbours, go to the best, until none is better.

    It starts from the best of the first cells, and over again from a random one.
    """
    seen: set[int] = set()
    starts = [int(cell) for cell in rng.permutation(len(space))[:FIRST]]
    while True:
        yield from (cell for cell in starts if cell not in seen)
        seen |= {*starts}
        here: int | None = max(starts, key=lambda cell: scores[cell])
        while here is not None:
            around = [space.neighbours(here)[i] for i in rng.permutation(len(space.neighbours(here)))]
            yield from (cell for cell in around if cell not in seen)
            seen |= {*around}
            best = max(around, key=lambda cell: scores[cell], default=here)
            here = best if scores[best] > scores[here] else None
        if len(seen) == len(space):
            return
        starts = [_unseen(space, seen, rng)]


def _unseen(space: Space, seen: Mapping[int, int] | set[int], rng: np.random.Generator) -> int:
    left = [cell for cell in range(len(space)) if cell not in seen]
    return left[int(rng.integers(len(left)))]


def random_cells(space: Space, scores: NDArray[np.float64], rng: np.random.Generator) -> Cells:
    """Random search."""
    yield from (int(cell) for cell in rng.permutation(len(space)))


SEARCHERS: dict[str, Searcher] = {
    "hierarchical": partial(planned, "hierarchical"),
    "thompson": partial(planned, "thompson"),
    "WL Gaussian process": partial(planned, "wl_gp"),
    "evolution": partial(planned, "evolution", first=POPULATION),
    "evolution from few": partial(planned, "evolution"),
    "NSGA-II": partial(planned, "nsga2"),
    "local search": whole_neighbourhoods,
    "hill climbing": partial(planned, "local_search"),
    "random": random_cells,
}
TARGETS: dict[str, float | None] = {"evolution": SHARE, "local search": SHARE, "random": 1.0}
TARGETS |= dict.fromkeys(("WL Gaussian process", "evolution from few", "NSGA-II", "hill climbing"))
