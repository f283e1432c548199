"""Edits of what stands inside blocks: offered exactly, recovered, built."""

from __future__ import annotations

import json

import numpy as np
import pytest

from jnas.library.exact import Bound
from jnas.library.store import open_library
from jnas.models.build import build
from jnas.models.costs import inspect
from jnas.models.evaluation import evaluating_here
from jnas.resolving.resolve import NothingPossible, random_edit
from jnas.trees.edits import KINDS, Edit, apply, describe, diff, edit_from_json, edit_to_json, intended
from jnas.trees.node import AT, Node, canonical, from_json, network, sequence, to_json
from jnas.trees.options import Options
from jnas.trees.starts import START_TREES

LIBRARY = evaluating_here(open_library())
SHAPE = (3, 16, 16)
TREE = canonical(START_TREES["resnet8"](), LIBRARY)
BLOCK = ("stages", 1, "body", 0)
CONV1 = (*BLOCK, AT, "conv1")


def test_a_part_is_swapped_for_what_keeps_its_shapes() -> None:
    options = Options(TREE, LIBRARY, SHAPE)
    assert options.ends(CONV1) == ((16, 16, 16), (32, 8, 8))
    offered = {block.name for block in options.blocks("swap", CONV1)}
    assert {"jnas.DepthwiseSeparable", "jnas.PatchMerging"} <= offered
    assert not offered & {"jnas.MaxPool", "jnas.Mlp", "jnas.SqueezeExcite"}
    edit = options.make_edit("swap", CONV1, "jnas.DepthwiseSeparable", {})
    assert describe(edit, TREE) == (
        "swap conv1 in stage 2 block 1: its own -> DepthwiseSeparable(out_channels=32, stride=2)"
    )
    child = canonical(apply(TREE, edit), LIBRARY)
    assert diff(TREE, child) == edit
    assert inspect(child, LIBRARY, SHAPE, 10).parameters < inspect(TREE, LIBRARY, SHAPE, 10).parameters


def test_what_replaced_a_part_is_edited_further_and_taken_out_again() -> None:
    swapped = apply(TREE, Edit("swap", CONV1, None, Node("jnas.ConvNormAct", {"out_channels": 32, "stride": 2})))
    options = Options(swapped, LIBRARY, SHAPE)
    kernel = options.make_edit("set", CONV1, "kernel_size", {"kernel_size": 5})
    wider = options.make_edit("set", CONV1, "out_channels", {"out_channels": 48})
    assert {path for path, _, _ in wider.settings} == {(), (AT, "conv1")}  # the block around it is as wide
    for edit in (kernel, wider):
        child = apply(swapped, edit)
        assert intended(swapped, child, edit)
        build(child, LIBRARY, SHAPE, 10, abstract=True)
    back = options.make_edit("delete", CONV1, None, {})
    assert apply(swapped, back) == TREE and diff(swapped, TREE) == back


@pytest.mark.parametrize("seed", range(3))
def test_chains_of_edits_at_all_depths_build(seed: int) -> None:
    rng, tree = np.random.default_rng(seed), TREE
    for _ in range(8):
        try:
            kind = KINDS[int(rng.integers(len(KINDS)))]
            edit = random_edit(Options(tree, LIBRARY, SHAPE), kind, rng)
        except NothingPossible:
            continue
        child = canonical(apply(tree, edit), LIBRARY)
        assert intended(tree, child, edit), describe(edit, tree)
        assert edit_from_json(json.loads(json.dumps(edit_to_json(edit))), LIBRARY) == edit
        assert from_json(json.loads(json.dumps(to_json(child))), LIBRARY) == child
        model = build(child, LIBRARY, SHAPE, 10, abstract=True)
        parameters = inspect(child, LIBRARY, SHAPE, 10, batch=2).parameters
        assert sum(np.prod(p.shape, dtype=int) for p in model.parameters()) == parameters
        tree = child


def layer(name: str, edges: tuple[str, str], **args) -> Node:
    return Node(f"nn.{name}", args, exact=edges)


FLAT = ("NC", "NC")
HEAD = sequence(
    layer("AdaptiveAvgPool2d", ("NCHW", "NCHW"), output_size=1),
    layer("Flatten", ("NCHW", "NC")),
    layer("Linear", FLAT, in_features=Bound("width"), out_features=32),
    layer("ReLU", FLAT),
    layer("Linear", FLAT, in_features=Bound("width"), out_features=Bound("classes")),
)
HEADED = canonical(network(Node("jnas.ConvNormAct", {"out_channels": 16}), [Node("jnas.BasicResidual")], HEAD), LIBRARY)


def test_a_head_ends_with_its_classes_and_takes_what_heads_are_made_of() -> None:
    options = Options(HEADED, LIBRARY, SHAPE)
    classes = {("head",), ("head", "body", 4)}
    for kind in ("swap", "insert", "delete", "compose"):
        places = options.places(kind)
        assert not ({("head", "body", 5)} if kind == "insert" else classes) & set(places), kind
        for path in places if kind in ("swap", "insert", "compose") else ():
            if path[:2] == ("head", "body") and path[2] > 0:
                families = {block.family for block in options.blocks(kind, path)}
                assert families <= {"mlp", "activation", "normalisation"}, (kind, path)
    assert ("stages", 0, "body", 1) in options.places("insert")


def test_arguments_of_a_node_that_says_all_of_them_are_set_where_its_contract_reaches() -> None:
    block = Node("jnas.BasicResidual", {"in_channels": Bound("width"), "out_channels": 16}, exact=("NCHW", "NCHW"))
    tree = canonical(network(Node("jnas.ConvNormAct", {"out_channels": 16}), [block]), LIBRARY)
    options, path = Options(tree, LIBRARY, SHAPE), ("stages", 0, "body", 0)
    offered = options.arguments("set", path, None)
    assert "nn.GELU" in offered["activation"] and 5 in offered["kernel_size"]
    assert not {"in_channels", "out_channels"} & offered.keys()
    edit = options.make_edit("set", path, "activation", {"activation": "nn.GELU"})
    child = canonical(apply(tree, edit), LIBRARY)
    assert diff(tree, child) == edit and describe(edit, tree).endswith("default -> nn.GELU")
    build(child, LIBRARY, SHAPE, 10, abstract=True)
    back = Options(child, LIBRARY, SHAPE).make_edit("set", path, "activation", {"activation": "nn.ReLU"})
    assert canonical(apply(child, back), LIBRARY) == tree  # what the constructor says anyway is not written


def test_modules_as_arguments_are_edited() -> None:
    inner = (Node("nn.Identity"), Node("nn.ReLU"))
    tree = canonical(network(None, [Node("nn.Sequential", {"args": inner}, exact=("NCHW", "NCHW"))]), LIBRARY)
    options, path = Options(tree, LIBRARY, SHAPE), ("stages", 0, "body", 0)
    value = (Node("nn.Identity"), Node("nn.GELU"))
    assert value in options.arguments("set", path, "args")["args"]
    edit = options.make_edit("set", path, "args", {"args": value})
    assert diff(tree, apply(tree, edit)) == edit
    assert edit_from_json(json.loads(json.dumps(edit_to_json(edit))), LIBRARY) == edit
    assert build(apply(tree, edit), LIBRARY, SHAPE, 10).eval()(np.zeros((1, *SHAPE), np.float32)).shape == (1, 10)
