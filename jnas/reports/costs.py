"""What the nodes of a tree cost, as far as it is known: a report runs no mined code."""

from __future__ import annotations

from jnas.evaluation.inspection import node_costs
from jnas.reports.run import Run
from jnas.training.recipe_files import recipe
from jnas.trees.node import Node
from jnas.trees.picture import Costs


def known_costs(run: Run, tree: Node) -> Costs:
    """(parameters, multiply-adds) by path text; empty where the gate measured on another machine."""
    batch = recipe(run.configuration.evaluation.recipe).batch_size
    return node_costs(tree, run.library, run.input_shape, run.classes, batch)
