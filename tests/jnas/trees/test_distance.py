"""How far trees are apart."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jnas.library.store import open_library
from jnas.trees.distance import Archive, distance, diversity, edit_distance
from jnas.trees.edits import Edit, apply
from jnas.trees.node import Node, branches, network, repeat, residual, sequence
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


NODES = st.recursive(
    st.sampled_from([Node("jnas.Mlp"), Node("jnas.MaxPool"), Node("jnas.SqueezeExcite"), Node("jnas.ConvNormAct")]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda b: sequence(*b)),
        st.lists(inner, min_size=1, max_size=3).map(lambda b: residual(*b)),
        st.tuples(inner, st.integers(1, 3)).map(lambda b: repeat(*b)),
        st.lists(inner, min_size=2, max_size=3).map(lambda b: branches(*b)),
    ),
    max_leaves=6,
)
NETWORKS = st.lists(NODES, min_size=1, max_size=3).map(lambda stages: network(Node("jnas.ConvNormAct"), stages))


@pytest.mark.parametrize("measure", [distance, edit_distance])
@given(NETWORKS, NETWORKS, NETWORKS)
@settings(max_examples=60, deadline=None)
def test_both_forms_are_metrics(measure, a: Node, b: Node, c: Node) -> None:
    ab, bc, ac = measure(a, b, LIBRARY), measure(b, c, LIBRARY), measure(a, c, LIBRARY)
    assert measure(a, a, LIBRARY) == pytest.approx(0, abs=1e-6)
    assert 0 <= ab <= 1 and ab == pytest.approx(measure(b, a, LIBRARY))
    assert ac <= ab + bc + 1e-6


def test_edit_distance_counts_nodes() -> None:
    tree = network(Node("jnas.ConvNormAct"), [sequence(Node("jnas.Mlp"), Node("jnas.MaxPool"), Node("jnas.Mlp"))])
    swapped = apply(tree, Edit("swap", ("stages", 0, "body", 1), None, Node("jnas.Mlp")))
    longer = apply(tree, Edit("insert", ("stages", 0, "body", 1), None, Node("jnas.SqueezeExcite")))
    wrapped = apply(tree, Edit("compose", ("stages", 0, "body", 1), None, residual(Node("jnas.MaxPool"))))
    nodes = 6  # network, stem, stage, three blocks
    assert edit_distance(tree, swapped, LIBRARY) == pytest.approx(2 / (2 * nodes + 1))
    assert edit_distance(tree, longer, LIBRARY) == pytest.approx(2 / (2 * nodes + 2))
    assert edit_distance(tree, wrapped, LIBRARY) == pytest.approx(2 / (2 * nodes + 2))


@given(st.lists(NETWORKS, min_size=2, max_size=6), NETWORKS)
@settings(max_examples=20, deadline=None)
def test_an_archive_says_what_pairs_say(trees: list[Node], other: Node) -> None:
    archive, pairs = Archive(LIBRARY, trees), [distance(tree, other, LIBRARY) for tree in trees]
    assert archive.distances(other) == pytest.approx(pairs, abs=1e-6)
    position, nearest = archive.nearest(other)[0]
    assert nearest == pytest.approx(min(pairs), abs=1e-6) == pytest.approx(pairs[position], abs=1e-6)
    assert archive.gain(other) == nearest and len(archive) == len(trees)


def test_diversity_grows_with_what_is_new() -> None:
    tree = TREES[0]
    new = changed(tree, Node("jnas.SelfAttention"))
    assert diversity([tree], LIBRARY) == 0 and diversity([tree, tree], LIBRARY) == pytest.approx(0, abs=1e-6)
    assert diversity([tree, new], LIBRARY) == pytest.approx(distance(tree, new, LIBRARY))
    assert Archive(LIBRARY).gain(tree) == 1.0
