"""Nodes by place, family, role and depth."""

from __future__ import annotations

import pytest

from jnas.library.store import open_library
from jnas.trees.node import Node, network, path_text, repeat, sequence
from jnas.trees.queries import select

LIBRARY = open_library()
INNER = Node("jnas.Mlp", at={"fc1": Node("jnas.LayerNorm")})
TREE = network(Node("jnas.ConvNormAct"), [sequence(repeat(INNER, 2), Node("jnas.MaxPool")), sequence(INNER)])


@pytest.mark.parametrize(
    "wanted, paths",
    [
        ({"role": "stem"}, ["stem"]),
        ({"family": "pooling"}, ["stages.0.body.1"]),
        ({"family": "mlp", "below": ("stages", 1)}, ["stages.1.body.0"]),
        ({"role": "fc1"}, ["stages.0.body.0.body.at.fc1", "stages.1.body.0.at.fc1"]),
        ({"depth": 1}, ["stem", "stages.0", "stages.1"]),
        ({"depth": 3, "below": ("stages", 1)}, ["stages.1.body.0.at.fc1"]),
        ({"family": "attention"}, []),
    ],
)
def test_nodes_are_found_by_what_they_are(wanted: dict, paths: list[str]) -> None:
    assert [path_text(path) for path, _ in select(TREE, LIBRARY, **wanted)] == paths


def test_a_place_that_is_not_there_is_named() -> None:
    with pytest.raises(KeyError, match="stages"):
        select(TREE, LIBRARY, below=("stages", 5))
