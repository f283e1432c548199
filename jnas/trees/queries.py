"""Nodes of a tree by where they stand and what they are."""

from __future__ import annotations

from collections.abc import Mapping

from jnas.library.block import Block
from jnas.trees.node import Node, Path, get, walk


def select(
    tree: Node,
    library: Mapping[str, Block],
    *,
    below: Path = (),
    family: str | None = None,
    role: str | None = None,
    depth: int | None = None,
) -> list[tuple[Path, Node]]:
    """(path, node) of all nodes in the subtree at `below` that fit what is given, in the order of data flow.

    `family` is that of the node's block, `role` the last name on its path ("stem", "body", "mlp.fc1"), `depth` how many
    nodes stand above it. Raises KeyError when there is no such place.
    """
    return [
        (path, node)
        for path, node in walk(get(tree, below), below)
        if (family is None or (not node.is_container and library[node.block].family == family))
        and (role is None or role == next((step for step in reversed(path) if isinstance(step, str)), None))
        and (depth is None or depth == _nodes_above(tree, path))
    ]


def _nodes_above(tree: Node, path: Path) -> int:
    return sum(isinstance(get(tree, path[:end]), Node) for end in range(len(path)))
