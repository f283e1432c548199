"""How different two trees are, by what stands where: families and roles, not sizes. Copies of a repeat count each.

Two forms: the tree edit distance says how many nodes differ; the Weisfeiler-Lehman form is cheap enough for archives.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from jnas.library.block import Block
from jnas.trees.node import Node, children

ITERATIONS = 3


def distance(a: Node, b: Node, library: Mapping[str, Block]) -> float:
    """Distance in [0, 1] of the Weisfeiler-Lehman subtree kernel on (family, role) labels.

    The role of a node is the argument it stands in. It is the distance of the two normalised feature vectors over the
    square root of 2, hence a metric on them (Shervashidze et al. 2011; labels and order of children are ours).
    """
    x, y = features(a, library), features(b, library)
    likeness = sum(count * y[label] for label, count in x.items())
    norm = math.sqrt(_squares(x) * _squares(y))  # of whole numbers, so that a tree is at 0 from itself
    return math.sqrt(max(0.0, 1.0 - likeness / norm))


def features(tree: Node, library: Mapping[str, Block]) -> Counter[str]:
    """How often each label occurs, after 0 to ITERATIONS refinements; copies of a repeat count each."""
    found: Counter[str] = Counter()
    _collect(tree, "root", library, 1, found)
    return found


def edit_distance(a: Node, b: Node, library: Mapping[str, Block]) -> float:
    """Nodes to delete, insert or relabel on the way from `a` to `b`, d, as 2d / (|a| + |b| + d) in [0, 1].

    The algorithm is Zhang and Shasha's (1989), the normalisation that keeps it a metric Li and Liu's (2007).
    """
    x, y = _postorder(a, library), _postorder(b, library)
    d = _zhang_shasha(x, y)
    return 2 * d / (len(x) + len(y) + d)


class Archive:
    """Trees of one library, compared with others by the Weisfeiler-Lehman form: milliseconds at ten thousand."""

    def __init__(self, library: Mapping[str, Block], trees: Iterable[Node] = ()):
        self._library = library
        self._postings: dict[str, tuple[list[int], list[float]]] = defaultdict(lambda: ([], []))
        self._size = 0
        for tree in trees:
            self.add(tree)

    def __len__(self) -> int:
        return self._size

    def add(self, tree: Node) -> None:
        counts = features(tree, self._library)
        norm = math.sqrt(_squares(counts))
        for label, count in counts.items():
            rows, values = self._postings[label]
            rows.append(self._size)
            values.append(count / norm)
        self._size += 1

    def distances(self, tree: Node) -> NDArray[np.float64]:
        """To every tree of the archive, in the order in which they came."""
        counts = features(tree, self._library)
        norm = math.sqrt(_squares(counts))
        cosines = np.zeros(self._size)
        for label in counts.keys() & self._postings.keys():
            rows, values = self._postings[label]
            cosines[rows] += np.asarray(values) * (counts[label] / norm)  # a tree is in a list of rows once
        return np.sqrt(np.maximum(0.0, 1.0 - cosines))

    def nearest(self, tree: Node, count: int = 1) -> list[tuple[int, float]]:
        """(position, distance) of the trees that are most like it, the nearest first."""
        found = self.distances(tree)
        return [(int(i), float(found[i])) for i in np.argsort(found, kind="stable")[:count]]

    def gain(self, tree: Node, count: int = 1) -> float:
        """Mean distance to the nearest trees: what the tree adds to the archive's diversity; 1 for an empty one."""
        near = self.nearest(tree, count)
        return sum(d for _, d in near) / len(near) if near else 1.0


def diversity(trees: Sequence[Node], library: Mapping[str, Block]) -> float:
    """Mean distance of each tree to the nearest other; 0 of fewer than two."""
    archive = Archive(library, trees)
    nearest = [archive.nearest(tree, 2)[-1][1] for tree in trees] if len(trees) > 1 else [0.0]
    return sum(nearest) / len(nearest)


# Weisfeiler-Lehman


def _squares(counts: Counter[str]) -> int:
    return sum(count**2 for count in counts.values())


def _collect(node: Node, role: str, library: Mapping[str, Block], times: int, found: Counter[str]) -> list[list[str]]:
    """Adds the labels of `node` and below to `found`; returns those of each copy of `node`, one per refinement."""
    if node.block == "repeat":
        copies = node.args["times"]
        return _collect(node.args["body"], role, library, times * copies, found) * copies
    below = [
        labels for step, child in children(node) for labels in _collect(child, str(step[0]), library, times, found)
    ]
    labels = [_label(node, role, library)]
    for i in range(ITERATIONS):
        text = "(".join([labels[-1], *(child[i] for child in below)])
        labels.append(hashlib.sha256(text.encode()).hexdigest())
    for i, label in enumerate(labels):
        found[f"{i}:{label}"] += times
    return [labels]


def _label(node: Node, role: str, library: Mapping[str, Block]) -> str:
    family = f"{node.block} {node.args.get('join', '')}" if node.is_container else library[node.block].family
    return f"{family}|{role}"


# Tree edit distance


def _postorder(tree: Node, library: Mapping[str, Block]) -> list[tuple[str, int]]:
    """(label, position of the leftmost leaf below) of every node, children before parents, copies one by one."""
    found: list[tuple[str, int]] = []

    def visit(node: Node, role: str) -> int:
        if node.block == "repeat":
            first, *_ = [visit(node.args["body"], role) for _ in range(node.args["times"])]
            return first
        leftmost = [visit(child, str(step[0])) for step, child in children(node)]
        first = leftmost[0] if leftmost else len(found)
        found.append((_label(node, role, library), first))
        return first

    visit(tree, "root")
    return found


def _zhang_shasha(x: Sequence[tuple[str, int]], y: Sequence[tuple[str, int]]) -> int:
    """Least number of unit operations between two ordered trees in postorder."""
    between = [[0] * len(y) for _ in x]
    for i in _key_roots(x):
        for j in _key_roots(y):
            _forests(x, y, i, j, between)
    return between[-1][-1]


def _key_roots(tree: Sequence[tuple[str, int]]) -> list[int]:
    """The last node of each leftmost leaf, in order."""
    return sorted({first: i for i, (_, first) in enumerate(tree)}.values())


def _forests(
    x: Sequence[tuple[str, int]], y: Sequence[tuple[str, int]], i: int, j: int, between: list[list[int]]
) -> None:
    """Fills `between` for the subtrees that end on the left spine of nodes `i` and `j`."""
    first, second = x[i][1], y[j][1]
    previous = list(range(j - second + 2))
    table = [previous]
    for a in range(first, i + 1):
        row = [a - first + 1]
        for b in range(second, j + 1):
            across, down = row[-1] + 1, table[-1][b - second + 1] + 1
            if x[a][1] == first and y[b][1] == second:
                best = min(across, down, table[-1][b - second] + (x[a][0] != y[b][0]))
                between[a][b] = best
            else:
                best = min(across, down, table[x[a][1] - first][y[b][1] - second] + between[a][b])
            row.append(best)
        table.append(row)
