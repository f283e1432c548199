"""The standalone file computes what the network in the search computes, and needs nothing of the search."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from types import MappingProxyType, ModuleType

import numpy as np
import pytest

from jnas.exporting.flax_file import export_flax
from jnas.library.block import Block, Contract, Parameter
from jnas.library.store import Library, open_library
from jnas.models.build import build
from jnas.trees.node import Node, branches, network, repeat, residual
from jnas.trees.starts import START_TREES
from translators.runtime.state import state_dict

LIBRARY = open_library()
SHAPE = (3, 8, 8)
STEM = Node("jnas.ConvNormAct", {"out_channels": 16, "activation": "nn.GELU"})
MIXED = network(
    STEM,
    [
        repeat(Node("jnas.BasicResidual"), 2),
        branches(Node("jnas.InvertedResidual", {"ratio": 2.0}), residual(Node("jnas.SelfAttention")), join="concat"),
        branches(Node("jnas.LayerNorm"), Node("jnas.Mlp"), Node("jnas.TokenMixer"), join="gate"),
        Node("jnas.PatchMerging", {"out_channels": 32}),
    ],
)


def executed(source: str, path: Path) -> ModuleType:
    module = sys.modules["exported"] = ModuleType("exported")
    exec(compile(source, str(path), "exec"), vars(module))
    return module


@pytest.mark.parametrize("tree", [START_TREES["resnet8"](), MIXED], ids=["resnet8", "mixed"])
def test_the_file_computes_the_same(tree: Node, tmp_path: Path) -> None:
    images = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype(np.float32)
    ours = build(tree, LIBRARY, SHAPE, 7, seed=5)
    exported = executed(export_flax(tree, LIBRARY, SHAPE, 7), tmp_path / "model.py")
    np.testing.assert_array_equal(exported.build(seed=5)(images), ours.eval()(images))
    other = exported.build(seed=6)
    exported.load_state_dict(other, state_dict(ours))
    np.testing.assert_array_equal(other.eval()(images), ours.eval()(images))


ECA = '''"""Translated from pack 1.0, pack/eca.py."""

import math

from translators.runtime import functional as F
from translators.runtime import nn, ops

from .helpers import scale


class ConvNormAct(nn.Module):
    """Named like one of ours."""

    def __init__(self, dim: int, act: type[nn.Module] = nn.ReLU, gate: nn.Module = None):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, 1)
        self.act = act()
        self.gate = gate

    def forward(self, x):
        F = scale(self.act(self.conv(x)), math.sqrt(4.0))
        return F if self.gate is None else self.gate(F)


class Unused(nn.Module):
    pass
'''


@pytest.fixture
def mined(tmp_path: Path) -> Library:
    folder = tmp_path / "modules"
    (folder / "pack").mkdir(parents=True)
    (folder / "pack" / "__init__.py").write_text("")
    (folder / "pack" / "eca.py").write_text(ECA)
    (folder / "pack" / "helpers.py").write_text("# Scales.\ndef scale(x, factor):\n    return x * factor\n")
    block = Block(
        "pack.eca.ConvNormAct",
        "convolution",
        (
            Parameter("dim", "input width", required=True),
            Parameter("act", "module class", "nn.ReLU", domain=("nn.ReLU", "nn.GELU")),
            Parameter("gate", "module"),
        ),
        Contract(input_width=("dim",), supplied=MappingProxyType({"gate": "nn.Sigmoid()"})),
        provenance=MappingProxyType({"package": 'p"""ack', "version": "1.0", "path": "pack/eca.py", "licence": "MIT"}),
        folder=str(folder),
    )
    return dataclasses.replace(LIBRARY, blocks=MappingProxyType({**LIBRARY.blocks, block.name: block}))


def test_mined_blocks_come_along_with_their_origin(mined: Library, tmp_path: Path) -> None:
    tree = network(STEM, [Node("pack.eca.ConvNormAct", {"act": "nn.GELU"})])
    source = export_flax(tree, mined, SHAPE, 7)
    assert "pack.eca.ConvNormAct: pack, 1.0, pack/eca.py, MIT" in source
    assert "# Scales." in source and "Unused" not in source
    exported = executed(source, tmp_path / "model.py")
    images = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype(np.float32)
    output = exported.build(seed=1)(images)
    assert output.shape == (2, 7)
    np.testing.assert_array_equal(output, build(tree, mined, SHAPE, 7, seed=1).eval()(images))
