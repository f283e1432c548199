"""Edits of what stands inside blocks: offered exactly, recovered, built."""

from __future__ import annotations

import json

import numpy as np
import pytest

from jnas.library.store import open_library
from jnas.models.build import build
from jnas.models.costs import inspect
from jnas.models.evaluation import evaluating_here
from jnas.resolving.resolve import NothingPossible, random_edit
from jnas.trees.edits import KINDS, Edit, apply, describe, diff, edit_from_json, edit_to_json, intended
from jnas.trees.node import AT, Node, canonical, from_json, to_json
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
