"""Cell spaces with known results, such as NAS-Bench-201 (Dong and Yang, arXiv 2001.00326): searching is looking up.

A cell is a directed acyclic graph with an operation on every edge, written as one operation per edge in the order
0-1, 0-2, 1-2, 0-3, 1-3, 2-3, ... A table is an .npz file with `ops` (names), `op_edges` (cells x edges, indices into
ops) and, per data set, NAME_test_200 (mean accuracy of the trials in per cent) beside what a search may see instead of
it, one of SIGNALS or both. docs/planning.md tells how to make one from the official release.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from jnas.trees.node import Node
from translators.diagnostics import UserError

MEANS = "_test_200"
SIGNALS = {"_test_200_trial": "one trial", "_test_12": "12 epochs"}  # in the table, and in words
ZERO, SKIP = ("none", "zero", "zeroise"), ("skip_connect", "skip", "identity")
LONGEST_RUN = 5  # of marks in a feature: with both ends, whole paths through cells of up to four nodes

# What a node adds up: its input, or operations on what other nodes add up, in sorted order.
Sum: TypeAlias = "tuple[tuple[str, Sum], ...]"
INPUT: Sum = (("", ()),)


@dataclass(frozen=True)
class Space:
    """The distinct cells of a table: cells that compute the same function are one, numbered in the order of their
    first member, whose results stand for it. Members are ordered by their operations.
    """

    operations: tuple[str, ...]
    edges: tuple[tuple[int, ...], ...]  # of the first member
    sums: tuple[Sum, ...]
    number_of: Mapping[tuple[int, ...], int]  # of every member
    rows: NDArray[np.intp]  # of the first member in the table
    search: Mapping[str, NDArray[np.float64]]  # per data set and signal ("cifar10, one trial"), what a search sees
    report: Mapping[str, NDArray[np.float64]]  # and what it is judged by

    def __len__(self) -> int:
        return len(self.edges)

    @cached_property
    def _neighbours(self) -> dict[int, tuple[int, ...]]:
        return {}

    @cached_property
    def _features(self) -> dict[int, Mapping[str, float]]:
        return {}

    def neighbours(self, cell: int) -> tuple[int, ...]:
        """The other cells that one changed operation leads to, as far as the table has them."""
        if cell not in self._neighbours:
            edges = self.edges[cell]
            changed = {
                self.number_of.get((*edges[:i], operation, *edges[i + 1 :]), cell)
                for i in range(len(edges))
                for operation in range(len(self.operations))
            }
            self._neighbours[cell] = tuple(sorted(changed - {cell}))
        return self._neighbours[cell]

    def features(self, cell: int) -> Mapping[str, float]:
        """How often each run of up to LONGEST_RUN operations occurs on the paths through the cell, ends included."""
        if cell not in self._features:
            self._features[cell] = runs(paths(self.sums[cell]))
        return self._features[cell]

    def tree(self, cell: int) -> Node:
        return Node("cell", {f"edge_{i}": self.operations[op] for i, op in enumerate(self.edges[cell])})


def read_table(path: Path) -> Space:
    """Raises UserError for a file that is no such table."""
    try:
        with np.load(path, allow_pickle=False) as table:
            columns = {name: table[name] for name in table.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"--table {path}: not an .npz table ({error})") from None
    names = [name.removesuffix(MEANS) for name in columns if name.endswith(MEANS)]
    signals = [(name, suffix) for name in names for suffix in SIGNALS if name + suffix in columns]
    missing = [name for name in ("ops", "op_edges") if name not in columns]
    missing += [] if names else [f"NAME{MEANS}"]
    missing += [f"{name}{' or '.join(SIGNALS)}" for name in names if name not in {known for known, _ in signals}]
    if missing:
        raise UserError(f"--table {path}: no {', '.join(missing)}; found {', '.join(columns)}")
    cells, operations = columns["op_edges"], tuple(str(name) for name in columns["ops"])
    if cells.ndim != 2 or not len(cells) or nodes_of(cells.shape[1]) is None or cells.max() >= len(operations):
        raise UserError(
            f"--table {path}: op_edges is {cells.shape} with values to {cells.max(initial=0)}; expected cells x 6 "
            f"(or 1, 3, 10, ..., one for each pair of nodes) indices into the {len(operations)} ops"
        )
    lengths = {name: len(columns[name]) for each, suffix in signals for name in (each + MEANS, each + suffix)}
    if wrong := [name for name, length in lengths.items() if length != len(cells)]:
        raise UserError(f"--table {path}: {wrong[0]} has {lengths[wrong[0]]} values for {len(cells)} cells")
    return space(
        operations,
        cells,
        {f"{name}, {SIGNALS[suffix]}": np.asarray(columns[name + suffix], float) for name, suffix in signals},
        {f"{name}, {SIGNALS[suffix]}": np.asarray(columns[name + MEANS], float) for name, suffix in signals},
    )


def space(
    operations: Sequence[str],
    cells: NDArray[np.integer],
    search: Mapping[str, NDArray[np.float64]],
    report: Mapping[str, NDArray[np.float64]],
) -> Space:
    """The distinct cells among `cells`."""
    numbers: dict[Sum, int] = {}
    number_of: dict[tuple[int, ...], int] = {}
    edges: list[tuple[int, ...]] = []
    rows: list[int] = []
    for row in np.lexsort(cells.T[::-1]):
        cell = tuple(int(operation) for operation in cells[row])
        form = canonical(cell, operations)
        if form not in numbers:
            numbers[form] = len(edges)
            edges.append(cell)
            rows.append(int(row))
        number_of[cell] = numbers[form]
    first = np.array(rows)
    return Space(
        tuple(operations),
        tuple(edges),
        tuple(numbers),
        number_of,
        first,
        {name: values[first] for name, values in search.items()},
        {name: values[first] for name, values in report.items()},
    )


def canonical(cell: Sequence[int], operations: Sequence[str]) -> Sum:
    """What the last node adds up: equal for cells that are isomorphic, or differ in what nothing reaches or passes."""
    nodes = nodes_of(len(cell))
    assert nodes is not None
    sums: list[Sum] = [INPUT]
    edges = iter(cell)
    for node in range(1, nodes):
        terms: list[tuple[str, Sum]] = []
        for source in range(node):
            operation = operations[next(edges)]
            if operation in ZERO or not sums[source]:
                continue
            terms += sums[source] if operation in SKIP else [(operation, sums[source])]
        sums.append(tuple(sorted(terms)))
    return sums[-1]


def paths(form: Sum) -> Counter[tuple[str, ...]]:
    """The operations along each way from the input to the output, and how often it occurs."""
    found: Counter[tuple[str, ...]] = Counter()
    for operation, before in form:
        if not operation:
            found[()] += 1
        for path, times in paths(before).items() if operation else ():
            found[(*path, operation)] += times
    return found


def runs(found: Mapping[tuple[str, ...], int]) -> Counter[str]:
    """Counts of the runs of 1 to LONGEST_RUN marks on the paths."""
    counted: Counter[str] = Counter()
    for path, times in found.items():
        marks = ("in", *path, "out")
        for length in range(1, LONGEST_RUN + 1):
            for start in range(len(marks) - length + 1):
                counted[" ".join(marks[start : start + length])] += times
    return counted


def nodes_of(edges: int) -> int | None:
    """How many nodes have so many pairs."""
    nodes = round((1 + (1 + 8 * edges) ** 0.5) / 2)
    return nodes if edges > 0 and nodes * (nodes - 1) // 2 == edges else None
