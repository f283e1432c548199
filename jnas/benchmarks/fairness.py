"""Whether attribute-fair sampling of ideas finds better cells than uniform sampling, on a table of known results.

The ablation of FairNAD (arXiv 2605.19247) that a table can repeat. An idea is to use one operation on a way into one
node: category, operation; sub-category, node. There are IDEAS of them, and as in the literature some operations are
written about far more often than others: by Zipf's law, in a random order for each seed ("any"), or with the 3x3
convolution first and nothing at all last ("literature"), or all alike ("balanced", where both ways should do the same).
Every search begins with the same random cells and changes one of the best TOP by the next idea; cells that compute the
same function are never paid twice.
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
from jnas.knowledge.ideas import Idea
from jnas.knowledge.sampling import draw_idea
from jnas.runs.randomness import generator
from translators.diagnostics import UserError

FIRST = 3  # cells drawn at random
TOP = 5
IDEAS = 300
RESAMPLES = 2000
POPULARITY = ("any", "literature", "balanced")
TRIES = 50  # ideas that lead to no new cell before one is drawn at random


def measure(table: Path | None = None, seeds: int = 100, queries: int = 200) -> Sequence[Row]:
    """Mean accuracy of the best-looking cell after `queries`, fair minus uniform. Raises UserError."""
    if table is None:
        raise UserError(
            "benchmark fairness: expected --table FILE, an .npz table; jnas/benchmarks/cells.py describes it"
        )
    space = read_table(table)
    rows: list[Row] = []
    for popularity in POPULARITY:
        for dataset in space.search:
            fair, uniform = (
                np.array([found(space, dataset, popularity, way, seed, queries) for seed in range(seeds)])
                for way in (True, False)
            )
            rows += summary(f"{popularity}: {dataset}", fair, uniform)
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


def found(space: Space, dataset: str, popularity: str, fair: bool, seed: int, queries: int) -> float:
    """Mean accuracy of the cell that looked best to a search."""
    scores = space.search[dataset]
    ideas = literature(space, popularity, generator(seed, popularity, "ideas"))
    cells = list(islice(searched(space, scores, ideas, fair, generator(seed, dataset)), queries))
    return float(space.report[dataset][max(cells, key=lambda cell: scores[cell])])


def literature(space: Space, popularity: str, rng: np.random.Generator) -> tuple[Idea, ...]:
    """The ideas: of each operation as many as its rank in popularity gives, spread evenly over the nodes."""
    operations = sorted(range(len(space.operations)), key=lambda i: _rank(space.operations[i]))
    if popularity == "any":
        operations = [operations[i] for i in rng.permutation(len(operations))]
    weights = np.array([1.0 if popularity == "balanced" else 1 / (1 + rank) for rank in range(len(operations))])
    counts = np.maximum(1, np.round(IDEAS * weights / weights.sum())).astype(int)
    nodes = nodes_of(len(space.edges[0]))
    assert nodes is not None
    return tuple(
        Idea(f"{operation}/{1 + i % (nodes - 1)}", f"statement {i} for {space.operations[operation]}", {})
        for operation, count in zip(operations, counts, strict=True)
        for i in range(count)
    )


def searched(
    space: Space, scores: NDArray[np.float64], ideas: Sequence[Idea], fair: bool, rng: np.random.Generator
) -> Iterator[int]:
    """Cells in the order of the queries."""
    seen = [int(cell) for cell in rng.permutation(len(space))[:FIRST]]
    yield from seen
    drawn: Counter[str] = Counter()
    while len(seen) < len(space):
        leaders = sorted(seen, key=lambda cell: (-scores[cell], cell))[:TOP]
        for _ in range(TRIES):
            idea = draw_idea(ideas, drawn, rng) if fair else _uniform(ideas, drawn, rng)
            drawn[idea.key] += 1
            child = applied(space, leaders[int(rng.integers(len(leaders)))], idea, rng)
            if child is not None and child not in seen:
                break
        else:
            left = sorted({*range(len(space))} - {*seen})
            child = left[int(rng.integers(len(left)))]
        seen.append(child)
        yield child


def applied(space: Space, cell: int, idea: Idea, rng: np.random.Generator) -> int | None:
    """The cell with the idea's operation on one of the ways into its node; None where the table has no such cell."""
    operation, node = map(int, idea.place.split("/"))
    first = node * (node - 1) // 2  # the ways into earlier nodes come before
    edge = first + int(rng.integers(node))
    edges = space.edges[cell]
    return space.number_of.get((*edges[:edge], operation, *edges[edge + 1 :]))


def _uniform(ideas: Sequence[Idea], drawn: Counter[str], rng: np.random.Generator) -> Idea:
    """Any idea, none twice before all were drawn."""
    fewest = min(drawn[idea.key] for idea in ideas)
    left = [idea for idea in ideas if drawn[idea.key] == fewest]
    return left[int(rng.integers(len(left)))]


def _rank(operation: str) -> tuple[int, str]:
    """Large convolutions first, then others, pooling, shortcuts, nothing."""
    kinds = ("conv_3x3" in operation, "conv" in operation, "pool" in operation, operation in SKIP, operation in ZERO)
    return next((i for i, holds in enumerate(kinds) if holds), len(kinds)), operation
