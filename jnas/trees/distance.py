"""How different two trees are, by what stands where."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping

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
    norm = sum(count**2 for count in x.values()) * sum(count**2 for count in y.values())
    return math.sqrt(max(0.0, 1.0 - likeness / math.sqrt(norm)))


def features(tree: Node, library: Mapping[str, Block]) -> Counter[str]:
    """How often each label occurs, after 0 to ITERATIONS refinements; copies of a repeat count each."""
    found: Counter[str] = Counter()
    _collect(tree, "root", library, 1, found)
    return found


def _collect(node: Node, role: str, library: Mapping[str, Block], times: int, found: Counter[str]) -> list[list[str]]:
    """Adds the labels of `node` and below to `found`; returns those of each copy of `node`, one per refinement."""
    if node.block == "repeat":
        copies = node.args["times"]
        return _collect(node.args["body"], role, library, times * copies, found) * copies
    below = [
        labels for step, child in children(node) for labels in _collect(child, str(step[0]), library, times, found)
    ]
    family = f"{node.block} {node.args.get('join', '')}" if node.is_container else library[node.block].family
    labels = [f"{family}|{role}"]
    for i in range(ITERATIONS):
        text = "(".join([labels[-1], *(child[i] for child in below)])
        labels.append(hashlib.sha256(text.encode()).hexdigest())
    for i, label in enumerate(labels):
        found[f"{i}:{label}"] += times
    return [labels]
