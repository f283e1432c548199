"""The standalone file computes what the network in the search computes, and needs nothing of the search."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType, ModuleType

import numpy as np
import pytest

from jnas.export import main
from jnas.library.block import Block, Contract, Parameter
from jnas.library.store import Library, open_library
from jnas.models.build import build
from jnas.models.source import export_flax
from jnas.trees.node import Node, branches, network, repeat, residual, to_json
from jnas.trees.starts import START_TREES
from translators.runtime.state import load_state_dict, state_dict

LIBRARY = open_library()
SHAPE = (3, 16, 16)
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
    module = ModuleType(path.stem)
    exec(compile(source, str(path), "exec"), vars(module))
    return module


@pytest.mark.parametrize(
    "tree", [START_TREES["resnet8"](), START_TREES["mobilenet"](), MIXED], ids=["resnet8", "mobilenet", "mixed"]
)
def test_the_file_computes_the_same(tree: Node, tmp_path: Path) -> None:
    images = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype(np.float32)
    ours = build(tree, LIBRARY, SHAPE, 7, seed=5)
    exported = executed(export_flax(tree, LIBRARY, SHAPE, 7), tmp_path / "model.py")
    np.testing.assert_array_equal(exported.build(5).eval()(images), ours.eval()(images))
    other = exported.build(6)
    load_state_dict(other, state_dict(ours))
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
    output = exported.build(1).eval()(images)
    assert output.shape == (2, 7)
    np.testing.assert_array_equal(output, build(tree, mined, SHAPE, 7, seed=1).eval()(images))


def test_the_command_writes_a_file_that_runs_without_the_search(tmp_path: Path) -> None:
    tree = tmp_path / "mine.json"
    tree.write_text(json.dumps(to_json(MIXED)))
    out = tmp_path / "model.py"
    assert main([str(tree), "--shape", "3", "16", "16", "--classes", "4", "--out", str(out)]) == 0
    program = (
        "import sys, numpy, model; print(model.build()(numpy.zeros((2, 3, 16, 16), 'float32')).shape); "
        "assert not [name for name in sys.modules if name.split('.')[0] == 'jnas']"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(root)}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "(2, 4)", done.stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["resnet8"], "tree resnet8: not a run, so give --shape C H W and --classes N"),
        (["resnet9", "--shape", "1", "28", "28", "--classes", "2"], "tree resnet9: cannot be read"),
        (["resnet32", "--shape", "1", "4", "4", "--classes", "2"], "the smallest is 2"),
        (
            ["resnet8", "--shape", "1", "28", "28", "--classes", "2", "--out", "/nowhere/m.py"],
            "--out /nowhere/m.py: cannot",
        ),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("error: ") and error.count("\n") == 1
