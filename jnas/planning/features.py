"""What trees and edits are made of, as the posteriors see it. Pure (ours)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from jnas.library.block import Block
from jnas.planning.regression import Features
from jnas.trees.distance import features as labels
from jnas.trees.edits import Edit
from jnas.trees.node import Node, find, walk

REFINEMENTS = ("0:", "1:")  # of the Weisfeiler-Lehman labels: deeper ones are of one tree alone and teach nothing


def tree_features(tree: Node, library: Mapping[str, Block]) -> Features:
    """Counts of families where they stand and below what, of blocks, of their settings, and the number of nodes."""
    counted: Counter[str] = Counter()
    for label, times in labels(tree, library).items():
        if label.startswith(REFINEMENTS):
            counted[label] += times
    _count(tree, 1, counted)
    return counted


def _count(tree: Node, times: int, counted: Counter[str]) -> None:
    """Adds blocks and settings; what is repeated counts as often."""
    if tree.block == "repeat":
        times *= tree.args["times"]
    counted["nodes"] += times
    counted[tree.block] += times
    for name, value in tree.args.items():
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Node):
                _count(item, times, counted)
            else:
                counted[f"{tree.block}.{name}={item}"] += times


def family_of(edit: Edit, tree: Node, library: Mapping[str, Block]) -> str | None:
    """Family of the block that an edit of `tree` brings, changes or takes away; None for a container alone.

    Of a composite it is the last block that its old node does not hold: that is the one that was added.
    """
    there = None if edit.kind == "insert" else find(tree, edit.path)
    held = [] if there is None else [node.block for _, node in walk(there) if not node.is_container]
    if edit.kind in ("set", "delete"):
        return None if there is None or there.is_container else library[there.block].family
    came = [node.block for _, node in walk(edit.value) if not node.is_container]
    fresh = [name for name in came if name not in held or edit.kind != "compose"] or came
    return library[fresh[-1]].family if fresh else None
