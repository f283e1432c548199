"""What the gate knows of a tree without training it: looked up where it was measured before, by any process."""

from __future__ import annotations

from typing import Any

from jnas.library.binding import Shape
from jnas.library.memo import FILE, memo_in
from jnas.library.store import Library, default_cache
from jnas.models.build import BuildError
from jnas.models.costs import Unmeasured, inspect
from jnas.trees.node import Node, walk


def inspection(
    tree: Node, library: Library, shape: Shape, classes: int, batch: int, *, execute: bool
) -> dict[str, Any]:
    """Parameters, multiply-adds, bytes of a training step, and shapes by path text. Raises BuildError.

    Without `execute` no mined code runs, and costs.Unmeasured is raised where it would have to.
    """
    found = inspect(tree, library, shape, classes, batch, memo=memo_in(default_cache() / FILE), execute=execute)
    shapes = {path: (cost.in_shape, cost.out_shape) for path, cost in found.nodes.items()}
    counts = {"parameters": found.parameters, "multiply_adds": found.multiply_adds}
    return {**counts, "memory": found.memory(batch), "shapes": shapes}


def node_costs(tree: Node, library: Library, shape: Shape, classes: int, batch: int) -> dict[str, tuple[int, int]]:
    """(parameters, multiply-adds) of every node by path text; empty where something is not known without mined code."""
    own = not any(library[node.block].mined for _, node in walk(tree) if not node.is_container)
    try:
        found = inspect(tree, library, shape, classes, batch, memo=memo_in(default_cache() / FILE), execute=own)
    except (BuildError, Unmeasured):
        return {}
    return {path: (cost.parameters, cost.multiply_adds) for path, cost in found.nodes.items()}
