"""Containers as leaves and structure, as in torch.utils._pytree."""

from collections import OrderedDict, defaultdict, deque, namedtuple

import numpy as np
import pytest

from translators.runtime import pytree

Pair = namedtuple("Pair", "left right")
ARRAY = np.arange(3)
TREES = [
    ARRAY,
    None,
    [1, (2, {"b": 3, "a": [4, None]})],
    Pair(Pair(1, 2), [ARRAY]),
    OrderedDict(z=1, a=(2,)),
    defaultdict(list, {"x": 1, "y": [2]}),
    deque([1, [2, 3]], maxlen=5),
    [],
]


@pytest.mark.parametrize("tree", TREES)
def test_what_is_flattened_comes_back(tree):
    leaves, spec = pytree.tree_flatten(tree)
    again = pytree.tree_unflatten(leaves, spec)
    assert type(again) is type(tree) and repr(again) == repr(tree) and spec.num_leaves == len(leaves)


@pytest.mark.parametrize("tree", TREES)
def test_leaves_and_structure_are_those_of_pytorch(tree):
    theirs = pytest.importorskip("torch.utils._pytree")
    leaves, spec = theirs.tree_flatten(tree)
    ours, structure = pytree.tree_flatten(tree)
    assert [repr(leaf) for leaf in ours] == [repr(leaf) for leaf in leaves]
    assert structure.num_children == (0 if spec.is_leaf() else spec.num_children)
    assert repr(pytree.tree_map(str, tree)) == repr(theirs.tree_map(str, tree))
    assert repr(pytree.tree_map_only(int, lambda n: n + 1, tree)) == repr(
        theirs.tree_map_only(int, lambda n: n + 1, tree)
    )


def test_several_trees_of_one_structure_are_mapped_together():
    assert pytree.tree_map(lambda a, b: a + b, {"x": 1, "y": [2]}, {"y": [20], "x": 10}) == {"x": 11, "y": [22]}
    with pytest.raises(ValueError, match="list where the first tree has tuple"):
        pytree.tree_map(max, (1, 2), [1, 2])
    with pytest.raises(ValueError, match="1 leaves for a structure of 2"):
        pytree.tree_unflatten([1], pytree.tree_structure((1, 2)))


def test_source_that_walks_containers_is_translated(translated):
    text = """
from torch.utils._pytree import tree_flatten, tree_unflatten

class Double(nn.Module):
    def forward(self, *inputs):
        leaves, spec = tree_flatten(inputs)
        return tree_unflatten([leaf * 2 for leaf in leaves], spec)
"""
    emitted = next(iter(translated(text).modules.values()))
    assert "pytree.tree_flatten(inputs)" in emitted
