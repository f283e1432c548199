"""Whether attribute-fair sampling of ideas finds better cells than uniform sampling, on a table of known results.

The ablation of FairNAD (arXiv 2605.19247) that a table can repeat. What follows was fixed before any result was seen.

* An idea belongs to a sub-category of the shipped template, which says what realises it; a cell can express nine of
  them, on all three levels: operations, branches and shortcuts, depth (CHANGES). As in a search by chance, the change
  is drawn among all that realise the sub-category on the parent. An idea that no change realises counts as drawn.
* The paper's 15,323 ideas are as uneven as what was written about, and how uneven is not published. Two distributions
  bound it: "uneven", Zipf's law over the sub-categories in a random order for each seed, for nothing says that what is
  written about most is worth most; and "starter", the shares of the shipped starter ideas, which are nearly even, so
  that little can differ.
* As in the paper a search starts from the residual cell, a round of ROUND candidates is planned from the same history,
  and the best after few rounds counts. Parents are drawn from the best TOP (ours), as in the fairnad planner.

Cells that compute the same function are never paid twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jnas.benchmarks.cells import SKIP, ZERO, Space, nodes_of, read_table
from jnas.benchmarks.rows import Row
from jnas.knowledge.ideas import STARTER_NAME, Idea, read_ideas
from jnas.knowledge.sampling import draw_idea
from jnas.runs.randomness import generator
from translators.diagnostics import UserError

ROUND = 20
ROUNDS = (1, 2, 5)
TOP = 5
IDEAS = 300
RESAMPLES = 2000
POPULARITY = ("uneven", "starter")
TRIES = 50  # ideas that lead to no new cell before one is drawn at random

CONVOLUTIONS = ("convolution", "pointwise")
OPEN = (*CONVOLUTIONS, "pooling", "shortcut")
EVERY = (*OPEN, "nothing")
# Sub-category of the template -> kinds of operation on a way of the cell, before and after.
CHANGES = {
    "convolution/kernel size": (CONVOLUTIONS, CONVOLUTIONS),
    "mixing/parameter-free mixing": (EVERY, ("pooling",)),
    "residual design/shortcuts": (EVERY, ("shortcut",)),
    "multiple branches/parallel paths": (("nothing",), (*CONVOLUTIONS, "pooling")),
    "multiple branches/feature reuse": (("nothing",), ("shortcut",)),
    "cheap features/pointwise squeezing": (EVERY, ("pointwise",)),
    "composition/exchanged parts": (OPEN, OPEN),
    "depth/stage depth": (("pooling", "shortcut"), CONVOLUTIONS),
    "depth/removal": (OPEN, ("shortcut", "nothing")),
}


def measure(table: Path | None = None, seeds: int = 100) -> Sequence[Row]:
    """Mean accuracy of the best-looking cell after each of ROUNDS, fair minus uniform. Raises UserError."""
    if table is None:
        raise UserError(
            "benchmark fairness: expected --table FILE, an .npz table; jnas/benchmarks/cells.py describes it"
        )
    space = read_table(table)
    rows: list[Row] = []
    for popularity in POPULARITY:
        for dataset in space.search:
            fair, uniform = (
                np.array([found(space, dataset, popularity, way, seed) for seed in range(seeds)])
                for way in (True, False)
            )
            for i, rounds in enumerate(ROUNDS):
                rows += summary(f"{popularity}, {rounds * ROUND} candidates: {dataset}", fair[:, i], uniform[:, i])
    return rows


def summary(name: str, fair: NDArray[np.float64], uniform: NDArray[np.float64]) -> Iterator[Row]:
    """The means, and their paired difference with a 90 % bootstrap interval over seeds."""
    difference = fair - uniform
    drawn = generator(0, name, "bootstrap").integers(len(difference), size=(RESAMPLES, len(difference)))
    low, high = np.quantile(difference[drawn].mean(1), (0.05, 0.95))
    wins, losses = int((difference > 0).sum()), int((difference < 0).sum())
    note = f"{fair.mean():.2f} against {uniform.mean():.2f} %; 90 % interval {low:.3f} to {high:.3f}"
    target = 0.0 if name.startswith(POPULARITY[0]) else None
    yield Row(name, float(difference.mean()), "points", low=target, note=f"{note}; {wins} seeds better, {losses} worse")


def found(space: Space, dataset: str, popularity: str, fair: bool, seed: int) -> list[float]:
    """Mean accuracy of the cell that looked best to a search after each of ROUNDS."""
    scores = space.search[dataset]
    ideas = literature(popularity, generator(seed, popularity, "ideas"))
    cells = list(islice(searched(space, scores, ideas, fair, generator(seed, dataset)), 1 + max(ROUNDS) * ROUND))
    best = [max(cells[: 1 + rounds * ROUND], key=lambda cell: scores[cell]) for rounds in ROUNDS]
    return [float(space.report[dataset][cell]) for cell in best]


def literature(popularity: str, rng: np.random.Generator) -> tuple[Idea, ...]:
    """About IDEAS ideas, of each sub-category as many as its popularity gives, one at least."""
    if popularity == "starter":
        shipped = Counter(idea.place for idea in read_ideas(STARTER_NAME))
        weights = np.array([shipped[place] for place in CHANGES], float)
    else:
        weights = 1.0 / (1 + rng.permutation(len(CHANGES)))
    counts = np.maximum(1, np.round(IDEAS * weights / weights.sum())).astype(int)
    return tuple(
        Idea(place, f"statement {i}", {}) for place, count in zip(CHANGES, counts, strict=True) for i in range(count)
    )


def searched(
    space: Space, scores: NDArray[np.float64], ideas: Sequence[Idea], fair: bool, rng: np.random.Generator
) -> Iterator[int]:
    """The residual cell, then the candidates of one round after another."""
    seen = [residual_cell(space)]
    yield from seen
    drawn: Counter[str] = Counter()
    while len(seen) < len(space):
        leaders = sorted(seen, key=lambda cell: (-scores[cell], cell))[:TOP]
        for _ in range(min(ROUND, len(space) - len(seen))):
            for _ in range(TRIES):
                idea = draw_idea(ideas, drawn, rng) if fair else _uniform(ideas, drawn, rng)
                drawn[idea.key] += 1
                children = changed(space, leaders[int(rng.integers(len(leaders)))], idea.place)
                child = children[int(rng.integers(len(children)))] if children else seen[0]
                if child not in seen:
                    break
            else:
                left = sorted({*range(len(space))} - {*seen})
                child = left[int(rng.integers(len(left)))]
            seen.append(child)
            yield child


def residual_cell(space: Space) -> int:
    """Two convolutions in a row with a shortcut round them; nothing on all other ways. Raises UserError."""
    operation = {kind_of(name): number for name, number in sorted(zip(space.operations, range(len(space.operations))))}
    ways = ["nothing"] * len(space.edges[0])
    last = (nodes_of(len(ways)) or 0) - 1
    into_last = last * (last - 1) // 2
    ways[into_last] = "shortcut"
    ways[0] = ways[into_last + 1] = "convolution"
    cell = space.number_of.get(tuple(operation.get(way, -1) for way in ways)) if last > 1 else None
    if cell is None:
        raise UserError(
            f"benchmark fairness: the table has no residual cell; expected three nodes or more, and operations for "
            f"convolution, shortcut and nothing among {', '.join(space.operations)}"
        )
    return cell


def changed(space: Space, cell: int, place: str) -> list[int]:
    """The other cells to which a change that realises ideas of the sub-category leads.

    A change is one of one way; to open a branch may take a second way, out of a node that led nowhere or into it.
    """
    before, after = CHANGES[place]
    found = _ways_changed(space, space.edges[cell], before, after)
    if before == ("nothing",):
        found |= {longer for opened in found for longer in _ways_changed(space, opened, before, (*after, "shortcut"))}
    return sorted({space.number_of.get(edges, cell) for edges in found} - {cell})


def _ways_changed(
    space: Space, edges: tuple[int, ...], before: Sequence[str], after: Sequence[str]
) -> set[tuple[int, ...]]:
    kinds = [kind_of(name) for name in space.operations]
    return {
        (*edges[:way], operation, *edges[way + 1 :])
        for way, old in enumerate(edges)
        for operation, kind in enumerate(kinds)
        if operation != old and kinds[old] in before and kind in after
    }


def kind_of(operation: str) -> str:
    """One of EVERY."""
    if operation in ZERO:
        return "nothing"
    if operation in SKIP:
        return "shortcut"
    return "pooling" if "pool" in operation else "pointwise" if "1x1" in operation else "convolution"


def _uniform(ideas: Sequence[Idea], drawn: Counter[str], rng: np.random.Generator) -> Idea:
    """Any idea, none twice before all were drawn."""
    fewest = min(drawn[idea.key] for idea in ideas)
    left = [idea for idea in ideas if drawn[idea.key] == fewest]
    return left[int(rng.integers(len(left)))]
