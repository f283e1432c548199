"""How far trees are apart."""

from __future__ import annotations

import pytest

from jnas.library.store import open_library
from jnas.trees.distance import distance
from jnas.trees.edits import Edit, apply
from jnas.trees.node import Node, repeat, sequence
from jnas.trees.starts import START_TREES

LIBRARY = open_library()
TREES = [start() for start in START_TREES.values()]


def changed(tree: Node, value: Node) -> Node:
    return apply(tree, Edit("swap", ("stages", 1, "body", 0), None, value))


def test_distance_is_a_metric_between_zero_and_one() -> None:
    for a in TREES:
        assert distance(a, a, LIBRARY) == pytest.approx(0, abs=1e-6)
        for b in TREES:
            assert 0 <= distance(a, b, LIBRARY) <= 1
            assert distance(a, b, LIBRARY) == pytest.approx(distance(b, a, LIBRARY))
            for c in TREES:
                assert distance(a, c, LIBRARY) <= distance(a, b, LIBRARY) + distance(b, c, LIBRARY) + 1e-9


def test_distance_sees_families_and_places_and_not_sizes() -> None:
    tree = START_TREES["resnet8"]()
    wider = apply(tree, Edit("set", ("stages", 1, "body", 0), "out_channels", 48))
    same_family = changed(tree, Node("jnas.Bottleneck", {"out_channels": 32, "stride": 2}))
    attention = changed(tree, Node("jnas.SelfAttention"))
    two = apply(attention, Edit("swap", ("stages", 2, "body", 0), None, Node("jnas.SelfAttention")))
    assert distance(tree, wider, LIBRARY) == distance(tree, same_family, LIBRARY) == 0
    assert 0 < distance(tree, attention, LIBRARY) < distance(tree, two, LIBRARY)
    ends = apply(tree, Edit("swap", ("stages", 2, "body", 0), None, Node("jnas.SelfAttention")))
    assert distance(attention, ends, LIBRARY) > 0


def test_a_repeat_is_as_far_as_its_copies() -> None:
    block = Node("jnas.Mlp")
    unrolled, repeated = sequence(block, block, block), sequence(repeat(block, 3))
    assert distance(repeated, unrolled, LIBRARY) == pytest.approx(0, abs=1e-6)
