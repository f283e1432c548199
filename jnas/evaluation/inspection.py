"""What the gate knows of a tree without training it: looked up where it was measured before, by any process."""

from __future__ import annotations

from functools import cache
from typing import Any

from jnas.library.binding import Shape
from jnas.library.store import Library, default_cache
from jnas.models.costs import inspect
from jnas.models.memo import Memo
from jnas.trees.node import Node


def inspection(
    tree: Node, library: Library, shape: Shape, classes: int, batch: int, *, execute: bool
) -> dict[str, Any]:
    """Parameters, multiply-adds, bytes of a training step, and shapes by path text. Raises BuildError.

    Without `execute` no mined code runs, and costs.Unmeasured is raised where it would have to.
    """
    found = inspect(tree, library, shape, classes, batch, memo=_memo(default_cache() / "costs.sqlite"), execute=execute)
    shapes = {path: (cost.in_shape, cost.out_shape) for path, cost in found.nodes.items()}
    counts = {"parameters": found.parameters, "multiply_adds": found.multiply_adds}
    return {**counts, "memory": found.memory(batch), "shapes": shapes}


_memo = cache(Memo)
