"""Nodes, places, the JSON form, the canonical form and its hash."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jnas.library.store import open_library
from jnas.trees import node as n
from jnas.trees.node import Node, branches, network, repeat, residual, sequence
from jnas.trees.starts import START_TREES
from translators.diagnostics import UserError

LIBRARY = open_library()
STEM = Node("jnas.ConvNormAct", {"out_channels": 16})
BLOCKS = st.sampled_from(
    [
        Node("jnas.BasicResidual"),
        Node("jnas.BasicResidual", {"stride": 1}),
        Node("jnas.BasicResidual", {"stride": 2, "out_channels": 32}),
        Node("jnas.InvertedResidual", {"ratio": 2.0, "activation": "nn.SiLU"}),
        Node("jnas.SqueezeExcite"),
        Node("jnas.LayerNorm"),
        Node("jnas.Mlp", {"ratio": 4.0}),
    ]
)
NODES = st.recursive(
    BLOCKS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda b: sequence(*b)),
        st.lists(inner, min_size=1, max_size=3).map(lambda b: residual(*b)),
        st.tuples(inner, st.integers(1, 3)).map(lambda b: repeat(*b)),
        st.tuples(st.lists(inner, min_size=1, max_size=3), st.sampled_from(n.JOINS)).map(
            lambda b: branches(*b[0], join=b[1])
        ),
    ),
    max_leaves=8,
)
TREES = st.lists(NODES, min_size=1, max_size=3).map(lambda stages: network(STEM, stages))


@given(TREES)
@settings(max_examples=100, deadline=None)
def test_json_round_trip(tree: Node) -> None:
    assert n.from_json(json.loads(json.dumps(n.to_json(tree))), LIBRARY) == tree


@given(TREES)
@settings(max_examples=100, deadline=None)
def test_canonical_form_is_reached_at_once_and_hashes_alike(tree: Node) -> None:
    form = n.canonical(tree, LIBRARY)
    assert n.canonical(form, LIBRARY) == form
    assert n.tree_hash(form, LIBRARY) == n.tree_hash(tree, LIBRARY)
    assert all(stage.block == "sequence" for stage in form.args["stages"])


def test_hash_is_the_same_in_another_process_and_for_ever() -> None:
    program = (
        "from jnas.library.store import open_library as o; from jnas.trees.node import tree_hash as h; "
        "from jnas.trees.starts import START_TREES as s; print(h(s['resnet20'](), o()))"
    )
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    assert other == n.tree_hash(START_TREES["resnet20"](), LIBRARY)
    assert other.startswith("66d39f454ce31e87")


@pytest.mark.parametrize(
    "a, b",
    [
        (sequence(sequence(Node("jnas.Mlp")), Node("jnas.MaxPool")), sequence(Node("jnas.Mlp"), Node("jnas.MaxPool"))),
        (repeat(Node("jnas.Mlp"), 1), Node("jnas.Mlp")),
        (branches(Node("jnas.Mlp"), Node("jnas.MaxPool")), branches(Node("jnas.MaxPool"), Node("jnas.Mlp"))),
        (branches(sequence(Node("jnas.Mlp")), join="gate"), Node("jnas.Mlp")),
        (Node("jnas.MaxPool", {"stride": 1}), Node("jnas.MaxPool")),
        (Node("jnas.Mlp", {"ratio": 4.0}), Node("jnas.Mlp")),
    ],
)
def test_notations_of_one_network_hash_alike(a: Node, b: Node) -> None:
    assert n.tree_hash(network(STEM, [a]), LIBRARY) == n.tree_hash(network(STEM, [b]), LIBRARY)


@pytest.mark.parametrize(
    "a, b",
    [
        (sequence(Node("jnas.Mlp"), Node("jnas.MaxPool")), sequence(Node("jnas.MaxPool"), Node("jnas.Mlp"))),
        (
            branches(Node("jnas.Mlp"), Node("jnas.MaxPool"), join="concat"),
            branches(Node("jnas.MaxPool"), Node("jnas.Mlp"), join="concat"),
        ),
        (
            branches(Node("jnas.Mlp"), Node("jnas.MaxPool"), join="gate"),
            branches(Node("jnas.MaxPool"), Node("jnas.Mlp"), join="gate"),
        ),
        (Node("jnas.BasicResidual", {"out_channels": 16}), Node("jnas.BasicResidual")),
        (residual(Node("jnas.Mlp")), Node("jnas.Mlp")),
    ],
)
def test_different_networks_hash_differently(a: Node, b: Node) -> None:
    assert n.tree_hash(network(STEM, [a]), LIBRARY) != n.tree_hash(network(STEM, [b]), LIBRARY)


def test_places() -> None:
    tree = START_TREES["resnet20"]()
    path = n.parse_path("stages.1.body.0")
    assert n.path_text(path) == "stages.1.body.0" and n.parse_path("") == ()
    assert n.get(tree, path).args["stride"] == 2
    pool = Node("jnas.MaxPool")
    assert n.get(n.replace(tree, path, pool), path) == pool
    inserted = n.insert(tree, path, pool)
    assert n.get(inserted, path) == pool and n.delete(inserted, path) == tree
    assert [n.path_text(p) for p, _ in n.walk(tree)][:4] == ["", "stem", "stages.0", "stages.0.body.0"]
    for wrong in ("stages.7", "stages.1.body.9", "head", "stages.1.body.0.stride.3"):
        with pytest.raises(KeyError, match=wrong.split(".")[0]):
            n.get(tree, n.parse_path(wrong))
    with pytest.raises(KeyError, match="position in a list"):
        n.delete(tree, ("stem",))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"stem": {"block": "jnas.ConvNormAkt"}}, "tree stem: .*ConvNormAkt.*did you mean 'jnas.ConvNormAct'"),
        (
            {"stem": {"block": "jnas.ConvNormAct", "out_chanels": 3}},
            "no argument 'out_chanels'; did you mean 'out_chann",
        ),
        ({"stem": {"block": "jnas.ConvNormAct", "out_channels": "wide"}}, 'tree stem.out_channels: "wide" is not'),
        ({"stem": {"block": "jnas.InvertedResidual", "squeeze_excite": 3}}, "tree stem.squeeze_excite: 3 is not"),
        ({"stem": 3}, 'tree stem: 3 is no node; expected an object with "block"'),
        ({"stages": []}, r"tree.stages: \[\]; expected a list"),
        (
            {"stages": [{"block": "repeat", "times": 0, "body": {"block": "jnas.Mlp"}}]},
            "tree stages.0.times: 0; expected",
        ),
        ({"stages": [{"block": "branches", "join": "xor", "body": [{"block": "jnas.Mlp"}]}]}, "add, concat, gate"),
        ({"stages": [{"block": "sequence"}]}, "tree stages.0: sequence has the arguments body"),
        ({"tail": 1}, "network has the arguments stem, stages, head"),
        ({"block": "sequence"}, "sequence has the arguments body"),
    ],
)
def test_loading_names_what_is_wrong_and_where(change: dict, message: str) -> None:
    data = {"block": "network", "stem": {"block": "jnas.ConvNormAct"}, "stages": [{"block": "jnas.Mlp"}]}
    with pytest.raises(UserError, match=message) as caught:
        n.from_json(data | change, LIBRARY)
    assert "\n" not in str(caught.value)


def test_arguments_called_block_survive() -> None:
    node = Node("x.Stage", {"block": "nn.ReLU", "block_": 1})
    data = n.to_json(node)
    assert data == {"block": "x.Stage", "block_": "nn.ReLU", "block__": 1}
