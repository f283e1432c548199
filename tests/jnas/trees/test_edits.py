"""Edits: applied, recovered from two trees, stored, told in words; and the options that offer them."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jnas.library.store import open_library
from jnas.trees.edits import (
    DEFAULT,
    KINDS,
    Edit,
    apply,
    describe,
    diff,
    edit_from_json,
    edit_to_json,
    node_name,
)
from jnas.trees.node import Node, branches, canonical, get, network, parse_path, path_text, repeat, residual, sequence
from jnas.trees.options import FORM, Options, depth, draws
from jnas.trees.shapes import ShapeError, infer
from jnas.trees.starts import START_TREES
from translators.diagnostics import UserError

LIBRARY = open_library()
SHAPE = (1, 28, 28)
STEM = Node("jnas.ConvNormAct", {"out_channels": 16})
BLOCK, POOL, MLP = Node("jnas.BasicResidual"), Node("jnas.MaxPool"), Node("jnas.Mlp")


def random_edit(tree: Node, rng: np.random.Generator, kind: str | None = None) -> Edit | None:
    kind, options = kind or KINDS[rng.integers(len(KINDS))], Options(tree, LIBRARY, SHAPE)
    path = next(options.draw_places(kind, rng), None)
    if path is None:
        return None
    if kind == "delete":
        return options.make_edit(kind, path, None, {})
    if kind == "set":
        offered = options.arguments(kind, path, None)
        name = sorted(offered)[rng.integers(len(offered))]
        value = offered[name][rng.integers(len(offered[name]))]
        return options.make_edit(kind, path, name, {name: value})
    block = next(options.draw_blocks(kind, path, rng))
    offered = options.arguments(kind, path, block.name)
    chosen = {name: values[rng.integers(len(values))] for name, values in offered.items()}
    try:
        return options.make_edit(kind, path, block.name, chosen)
    except ShapeError:  # each value fits alone; together they may not
        return None


def place(edit: Edit) -> tuple:
    """Among equal neighbours nobody can tell which one came or went: the list is the place."""
    return edit.path[:-1] if edit.kind in ("insert", "delete") else edit.path


@given(st.integers(0, 10**6), st.sampled_from(sorted(START_TREES)))
@settings(max_examples=60, deadline=None)
def test_chains_of_offered_edits_fit_and_are_recovered(seed: int, start: str) -> None:
    rng = np.random.default_rng(seed)
    tree = canonical(START_TREES[start](), LIBRARY)
    for _ in range(8):
        edit = random_edit(tree, rng)
        if edit is None:
            continue
        child = canonical(apply(tree, edit), LIBRARY)
        infer(child, LIBRARY, SHAPE)
        assert child != tree
        found = diff(tree, child)
        assert found is not None and found.kind == edit.kind and place(found) == place(edit), (edit, found)
        assert apply(tree, found) == child
        assert edit_from_json(json.loads(json.dumps(edit_to_json(edit))), LIBRARY) == edit
        line = describe(edit, tree)
        assert edit.kind in line and "\n" not in line
        tree = child


CONTEXTS = st.sampled_from(
    [
        network(STEM, [sequence(BLOCK, POOL, BLOCK)]),
        network(STEM, [sequence(branches(BLOCK, MLP, POOL), residual(BLOCK, MLP))]),
        network(STEM, [sequence(repeat(sequence(BLOCK, POOL), 2), branches(BLOCK, MLP, POOL, join="gate"))]),
        network(STEM, [sequence(BLOCK), sequence(repeat(BLOCK, 3), BLOCK), sequence(MLP)]),
        network(STEM, [branches(BLOCK, BLOCK, MLP, join="gate"), branches(BLOCK, residual(MLP), residual(MLP))]),
    ]
)


@given(CONTEXTS, st.sampled_from(KINDS), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_edits_inside_every_container_are_recovered(tree: Node, kind: str, seed: int) -> None:
    tree = canonical(tree, LIBRARY)
    edit = random_edit(tree, np.random.default_rng(seed), kind)
    if edit is not None:
        child = canonical(apply(tree, edit), LIBRARY)
        found = diff(tree, child)
        assert found is not None and found.kind == kind and place(found) == place(edit), (edit, found)
        assert apply(tree, found) == child


def test_diff_of_equal_or_distant_trees_is_none() -> None:
    tree = canonical(START_TREES["resnet20"](), LIBRARY)
    assert diff(tree, tree) is None
    twice = apply(apply(tree, Edit("set", ("stem",), "kernel_size", 5)), Edit("delete", ("stages", 1, "body", 0)))
    assert diff(tree, twice) is None


def test_setting_a_default_takes_the_argument_out() -> None:
    tree = canonical(START_TREES["resnet8"](), LIBRARY)
    path = ("stages", 1, "body", 0)
    child = canonical(apply(tree, Edit("set", path, "stride", 1)), LIBRARY)
    assert "stride" not in get(child, path).args
    assert diff(tree, child) == Edit("set", path, "stride", DEFAULT)
    assert edit_from_json(edit_to_json(Edit("set", path, "stride", DEFAULT)), LIBRARY).value is DEFAULT


def test_a_swap_keeps_width_and_stride() -> None:
    tree = canonical(START_TREES["resnet20"](), LIBRARY)
    path = ("stages", 1, "body", 0)
    options = Options(tree, LIBRARY, SHAPE)
    offered = {block.name for block in options.blocks("swap", path)}
    assert "jnas.Bottleneck" in offered and "jnas.PatchMerging" in offered
    assert not offered & {"jnas.MaxPool", "jnas.Mlp", "jnas.SqueezeExcite", "jnas.BasicResidual"}
    edit = options.make_edit("swap", path, "jnas.InvertedResidual", {"ratio": 2.0})
    assert dict(edit.value.args) == {"out_channels": 32, "stride": 2, "ratio": 2.0}
    assert describe(edit, tree).startswith("swap stage 2 block 1: BasicResidual -> InvertedResidual(")


def test_shapes_are_kept_inside_a_residual() -> None:
    tree = canonical(network(STEM, [residual(BLOCK, MLP)]), LIBRARY)
    inside = ("stages", 0, "body", 0, "body", 0)
    assert get(tree, inside) == BLOCK
    options = Options(tree, LIBRARY, SHAPE)
    offered = options.arguments("set", inside, None)
    assert "kernel_size" in offered and "stride" not in offered
    wider = options.make_edit("set", inside, "out_channels", {"out_channels": 24})
    assert wider == Edit("set", ("stem",), "out_channels", 24)  # the body follows


def test_what_would_reduce_a_single_pixel_is_not_offered() -> None:
    tree = canonical(START_TREES["resnet8"](), LIBRARY)
    path = ("stages", 2, "body", 0)
    assert "stride" in Options(tree, LIBRARY, (1, 8, 8)).arguments("set", ("stem",), None)
    assert "stride" not in Options(tree, LIBRARY, (1, 4, 4)).arguments("set", ("stem",), None)
    halved = canonical(apply(tree, Edit("set", ("stem",), "stride", 2)), LIBRARY)
    assert infer(halved, LIBRARY, (1, 16, 16))[path][1] == (64, 2, 2)
    with pytest.raises(ShapeError, match=r"stages.2.body.0: .*the smallest is 2"):
        infer(halved, LIBRARY, (1, 4, 4))


def test_make_edit_refuses_what_does_not_fit_or_changes_nothing() -> None:
    tree = canonical(START_TREES["resnet8"](), LIBRARY)
    path, options = ("stages", 1, "body", 0), Options(tree, LIBRARY, SHAPE)
    with pytest.raises(ShapeError, match=r"stages.1.body.0: swap with jnas.MaxPool"):
        options.make_edit("swap", path, "jnas.MaxPool", {})
    with pytest.raises(ShapeError, match="changes nothing"):
        options.make_edit("set", path, "stride", {"stride": 2})


def test_forms_of_a_composite() -> None:
    tree = canonical(START_TREES["resnet20"](), LIBRARY)
    path, options = ("stages", 2, "body", 1, "body"), Options(tree, LIBRARY, SHAPE)
    forms = options.arguments("compose", path, "jnas.BasicResidual")[FORM]
    assert forms == ("sequence", "residual", "add", "concat", "gate")
    for form in forms:
        edit = options.make_edit("compose", path, "jnas.BasicResidual", {FORM: form})
        assert BLOCK in edit.value.args["body"]
    in_list = options.arguments("compose", ("stages", 2, "body", 0), "jnas.BasicResidual")
    assert "sequence" not in in_list[FORM]  # it would be spliced: an insertion


def test_draws_are_uniform_over_depth_and_family() -> None:
    rng = np.random.default_rng(0)
    paths = [("stem",)] + [("stages", i, "body", 0) for i in range(30)]
    drawn = Counter(depth(next(draws(paths, depth, rng))) for _ in range(1000))
    assert 400 < drawn[1] < 600
    blocks = [b for b in LIBRARY.placeable() if b.family in ("residual block", "mixer")]
    families = Counter(next(draws(blocks, lambda block: block.family, rng)).family for _ in range(1000))
    assert 400 < families["mixer"] < 600


@pytest.mark.parametrize(
    "edit, words",
    [
        (
            Edit("set", parse_path("stages.1.body.0"), "stride", 1),
            "set stride of stage 2 block 1 (BasicResidual): 2 -> 1",
        ),
        (
            Edit("set", parse_path("stages.1.body.1"), "times", 4),
            "set times of stage 2 block 2 (2 x BasicResidual): 2 -> 4",
        ),
        (Edit("delete", parse_path("stages.1")), "delete stage 2: [BasicResidual, 2 x BasicResidual]"),
        (Edit("insert", parse_path("stages.0.body.1"), None, POOL), "insert MaxPool as stage 1 block 2"),
        (
            Edit("swap", ("stem",), None, Node("timm.models.convnext.ConvNeXtBlock", {"kernel_size": 7})),
            "swap stem: ConvNormAct -> timm ConvNeXtBlock(kernel_size=7)",
        ),
        (
            Edit("compose", parse_path("stages.0.body.0"), None, branches(MLP, residual(POOL), join="concat")),
            "compose stage 1 block 1: 3 x BasicResidual -> (Mlp | x + [MaxPool])",
        ),
    ],
)
def test_words(edit: Edit, words: str) -> None:
    assert describe(edit, START_TREES["resnet20"]()) == words


def test_bad_edits_are_named() -> None:
    with pytest.raises(UserError, match="edit kind: 'grow'; expected one of set"):
        edit_from_json({"kind": "grow"}, LIBRARY)
    with pytest.raises(KeyError, match=r"stages.9"):
        apply(START_TREES["resnet8"](), Edit("delete", parse_path("stages.9.body.0")))
    assert node_name(Node("network")) == "network" and path_text(()) == ""
