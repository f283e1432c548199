"""The PyTorch file: originals with what they use and nothing else, twins of our blocks, the same numbers."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jnas.export import main
from jnas.exporting.expression import design
from jnas.exporting.originals import Originals
from jnas.exporting.torch_file import torch_file
from jnas.library.mining import mine
from jnas.library.store import Library, open_library
from jnas.models.build import build
from jnas.trees.node import Node, branches, network, repeat, residual, to_json
from translators.diagnostics import UserError
from translators.linking import link
from translators.runtime.state import load_state_dict, state_dict
from translators.sources import open_source

LIBRARY = open_library()
SHAPE = (3, 16, 16)
STEM = Node("jnas.ConvNormAct", {"out_channels": 16, "activation": "nn.GELU"})
OWN = network(
    STEM,
    [
        repeat(Node("jnas.BasicResidual"), 2),
        residual(Node("jnas.Bottleneck"), Node("jnas.Activation", {"activation": "nn.SiLU"})),
        branches(Node("jnas.InvertedResidual", {"squeeze_excite": True}), Node("jnas.MaxPool"), join="concat"),
        branches(Node("jnas.AvgPool"), Node("jnas.DepthwiseSeparable"), Node("jnas.BatchNorm")),
        Node("jnas.PatchMerging", {"out_channels": 32}),
        branches(Node("jnas.LayerNorm"), Node("jnas.Mlp"), Node("jnas.TokenMixer"), join="gate"),
        residual(Node("jnas.SelfAttention"), Node("jnas.ChannelShuffle"), Node("jnas.SqueezeExcite")),
    ],
)

HELPERS = """
from functools import partial
try:
    import apex
except ImportError:
    apex = None


def scaled(x, by=1.0):
    return x * by


class Unrelated:
    pass
"""
GATES = '''
"""A package of gates."""
import torch
import torch.nn.functional as F
from torch import nn

from . import helpers
from .helpers import *

SCALES = {"half": 0.5}
SCALES.update(one=1.0)


class Base(nn.Module):
    def summary(self):
        return Unrelated()

    def scale(self):
        return SCALES[self.kind]


class Gate(Base):
    # Opened by what stands around.
    def __init__(self, dim, kernel_size=3, kind="half"):
        super().__init__()
        self.kind = kind
        self.mix = nn.Conv2d(dim, dim, kernel_size, padding=kernel_size // 2)
        self.act = nn.ReLU()

    def forward(self, x):
        from .helpers import scaled as inner
        return helpers.scaled(self.act(x), self.scale()) + inner(torch.sigmoid(self.mix(x)))
'''


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "gates"
    folder.mkdir()
    (folder / "__init__.py").write_text("from .gate import Gate\n")
    (folder / "gate.py").write_text(GATES)
    (folder / "helpers.py").write_text(HELPERS)
    (folder / "LICENSE").write_text("Permission is hereby granted, free of charge, to you.")
    return folder


def test_originals_are_cut_out_with_what_they_use(package: Path) -> None:
    modules = Originals([open_source(str(package))]).modules(["gates.gate.Gate"])
    linked = link(modules, ["gates.gate.Gate"], whole=lambda module: False)
    text = linked.text
    assert "SCALES.update(one=1.0)" in text and "# Opened by what stands around." in text
    assert "summary" not in text and "Unrelated" not in text and "apex" not in text
    assert set(linked.modules) == {"gates.gate", "gates.helpers"}
    assert {line for line in linked.imports if "gates" in line} == set()
    with pytest.raises(UserError, match=r"gates\.gate\.Missing: not in the given sources"):
        Originals([open_source(str(package))]).modules(["gates.gate.Missing"])


@pytest.fixture
def mined(package: Path, tmp_path: Path) -> Library:
    return open_library(mine([str(package)], tmp_path / "libraries").folders)


def test_a_source_that_changed_is_said(package: Path, mined: Library) -> None:
    plan = design(network(STEM, [Node("gates.gate.Gate")]), mined, SHAPE, 4)
    assert "class Gate(Base)" in torch_file(plan, [str(package)]).text
    with pytest.raises(
        UserError, match=r"gates\.gate\.Gate: the PyTorch source .* is not here as it was; name it with"
    ):
        torch_file(plan)
    (package / "gate.py").write_text(GATES + "\n")
    with pytest.raises(UserError, match="is not here as it was"):
        torch_file(plan, [str(package)])


def drawn(tree: Node, library: Library, folder: Path) -> None:
    """The tree and its weights, every one of them drawn at random, as a training leaves them."""
    from jnas.training import weights

    state = state_dict(build(tree, library, SHAPE, 4))
    rng = np.random.default_rng(0)
    noise = {name: 0.1 * np.abs(rng.standard_normal(array.shape)) for name, array in state.items()}
    state = {
        name: (array + noise[name] * (array.dtype.kind == "f")).astype(array.dtype) for name, array in state.items()
    }
    load_state_dict(build(tree, library, SHAPE, 4), state)
    weights.save(state, folder / "weights" / "seed-0")
    (folder / "tree.json").write_text(json.dumps(to_json(tree)))


@pytest.mark.parametrize("to", ["torch", "onnx-ready"])
def test_own_and_mined_blocks_compute_the_same_in_pytorch(
    to: str, package: Path, mined: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    tree = network(STEM, [*OWN.args["stages"], residual(Node("gates.gate.Gate"))])
    trained = tmp_path / "trained"
    trained.mkdir()
    drawn(tree, mined, trained)
    folders = sorted({str(Path(block.folder).parent) for block in mined.values() if block.folder})
    arguments = [str(trained), "--shape", "3", "16", "16", "--classes", "4", "--to", to, "--source", str(package)]
    out = tmp_path / "out"
    assert main([*arguments, *(a for folder in folders for a in ("--library", folder)), "--out", str(out)]) == 0
    assert "The logits differ from those of jnas by" in capsys.readouterr().out
    licences = (out / "LICENSES.txt").read_text()
    assert "Licence: MIT" in licences and "free of charge" in licences and "gates.helpers" in licences


@pytest.mark.slow  # mines timm where the cache has none of it
@pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed")
@pytest.mark.parametrize("to", ["flax", "torch"])
@pytest.mark.parametrize(
    "name, size",
    [
        ("resnet32", 32),
        ("timm:mobilenetv3_small_050", 96),
        ("timm:convnext_atto", 64),
        ("timm:vit_tiny_patch16_224?patch_size=4&embed_dim=96&depth=6&num_heads=3", 32),
    ],
)
def test_the_start_trees_are_taken_away(name: str, size: int, to: str, tmp_path: Path) -> None:
    if to == "torch":
        pytest.importorskip("torch")
    command = [sys.executable, "-m", "jnas.export", name, "--shape", "3", str(size), str(size), "--classes", "10"]
    done = subprocess.run([*command, "--to", to, "--out", str(tmp_path / "out")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "The logits differ from those of jnas by" in done.stdout
