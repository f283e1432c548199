"""What the head of a network is, which turns features into logits, and what may come into it (ours). Pure."""

from __future__ import annotations

from functools import lru_cache

from jnas.library.binding import Shape
from jnas.library.exact import Bound
from jnas.trees.node import Node, Path, children
from jnas.trees.remembered import NODES

FAMILIES = ("mlp", "activation", "normalisation")  # of blocks that work on features without places


@lru_cache(NODES)
def makes_logits(node: Node) -> bool:
    """Whether the number of classes is bound in the node or in what stands in it."""
    return Bound("classes") in node.args.values() or any(makes_logits(child) for _, child in children(node))


def belongs(family: str, path: Path, incoming: Shape) -> bool:
    """Whether a block of the family may come to `path`: where a head has left no pixels, it needs to want none."""
    return path[:1] != ("head",) or incoming[1:] != (1, 1) or family in FAMILIES
