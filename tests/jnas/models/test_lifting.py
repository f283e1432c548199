"""Mined whole models as trees: the same function, and places where other modules may stand."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import jax
import numpy as np
import pytest

from jnas.exporting.flax_file import export_flax
from jnas.library.exact import Bound, bind_exact
from jnas.library.mining import mine
from jnas.library.models import find_model
from jnas.library.store import Library, open_library
from jnas.models.assembly import assemble
from jnas.models.build import build, construct
from jnas.models.carrying import carry
from jnas.models.evaluation import evaluating_here
from jnas.models.lifting import Lifted, built, lift
from jnas.models.starts import named_tree
from jnas.trees.edits import apply
from jnas.trees.node import AT, Node, canonical, from_json, network, parse_path, path_text, to_json, tree_hash, walk
from jnas.trees.node import replace as put
from jnas.trees.options import Options
from jnas.trees.shapes import Inference, ShapeError, infer
from translators.diagnostics import UserError
from translators.runtime.state import load_state_dict, state_dict

SHAPE, CLASSES = (3, 16, 16), 5

ZOO = """
import torch
import torch.nn as nn
import torch.nn.functional as F


class Unit(nn.Module):
    def __init__(self, in_planes, planes, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_planes != planes:
            self.shortcut = nn.Sequential(nn.Conv2d(in_planes, planes, 1, stride=stride), nn.BatchNorm2d(planes))

    def forward(self, x):
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(out + self.shortcut(x))


class Net(nn.Module):
    def __init__(self, depth=2, widths=(8, 16), pool="avg", drop=0.0, num_classes=10):
        super().__init__()
        self.conv = nn.Conv2d(3, widths[0], 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(widths[0])
        self.layer1 = self._layer(widths[0], widths[0], depth, 1)
        self.layer2 = self._layer(widths[0], widths[1], depth, 2)
        self.drop = nn.Dropout(drop)
        self.pool = pool
        self.fc = nn.Linear(widths[1], num_classes)

    def _layer(self, before, width, depth, stride):
        blocks = [Unit(before, width, stride)] + [Unit(width, width) for _ in range(depth - 1)]
        return nn.Sequential(*blocks)

    def forward(self, x):
        x = self.layer2(self.layer1(F.relu(self.bn(self.conv(x)))))
        x = x.mean((2, 3)) if self.pool == "avg" else x.amax((2, 3))
        return self.fc(self.drop(x))


class Mixing(nn.Module):
    def __init__(self, dim, ratio=2):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, dim * ratio)
        self.fc2 = nn.Linear(dim * ratio, dim)

    def forward(self, x):
        return x + self.fc2(F.gelu(self.fc1(self.norm(x)))) + x.mean(1, keepdim=True)


class Tokens(nn.Module):
    def __init__(self, img_size=32, patch_size=4, dim=8, depth=3, num_classes=10, in_chans=3):
        super().__init__()
        self.proj = nn.Conv2d(in_chans, dim, patch_size, stride=patch_size)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.randn(1, (img_size // patch_size) ** 2 + 1, dim))
        self.blocks = nn.ModuleList([Mixing(dim) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, num_classes)

    def forward(self, x):
        x = self.proj(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


def net_small(**kwargs):
    return Net(**kwargs)


def tokens_small(**kwargs):
    return Tokens(**kwargs)


def net_fixed(num_classes=10, **kwargs):
    return Net(depth=3, widths=(4, 8), num_classes=num_classes, **kwargs)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("zoo")
    (place / "zoo.py").write_text(ZOO)
    return mine([str(place / "zoo.py")], cache=place / "libraries").folders[0]


@pytest.fixture(scope="module")
def library(folder: Path) -> Library:
    return evaluating_here(open_library([folder]))


def drawn(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        name: (0.5 + rng.random(x.shape) if name.endswith("var") else 0.3 * rng.standard_normal(x.shape)).astype(
            x.dtype
        )
        for name, x in state.items()
    }


def distance(name: str, options: dict, library: Library) -> tuple[Lifted, float]:
    """(what was lifted, the largest difference of its logits from the model's)."""
    block = find_model(name, library)
    lifted = lift(block, options, library, SHAPE, CLASSES)
    made, values, _ = built(block, options, library, SHAPE, CLASSES)
    model = construct(made, bind_exact(values, SHAPE, CLASSES), library)
    state = drawn(state_dict(model))
    load_state_dict(model, state)
    tree = from_json(json.loads(json.dumps(to_json(lifted.tree))), library)
    assert tree == lifted.tree == canonical(lifted.tree, library)
    network = build(tree, library, SHAPE, CLASSES)
    carry(state, lifted.origins, assemble(tree, library, SHAPE, CLASSES), network)
    images = np.random.default_rng(1).standard_normal((2, *SHAPE)).astype(np.float32)
    return lifted, float(np.abs(network.eval()(images) - model.eval()(images)).max())


def blocks(tree: Node) -> list[str]:
    return [node.block for _, node in walk(tree)]


def test_a_row_of_modules_becomes_stages_of_blocks(library: Library) -> None:
    lifted, apart = distance("zoo:net_small", {"depth": 3}, library)
    assert apart < 1e-5
    stem, first, second = lifted.tree.args["stem"], *lifted.tree.args["stages"]
    assert [node.block for node in stem.args["body"]] == ["nn.Conv2d", "nn.BatchNorm2d", "nn.ReLU"]
    assert first.args["body"] == (Node("repeat", {"body": Node("zoo.Unit"), "times": 3}),)
    assert second.args["body"][0] == Node("zoo.Unit", {"planes": 16, "stride": 2})
    assert "head" not in lifted.tree.args  # average pooling and a linear classifier are the network's own
    wider = put(lifted.tree, parse_path("stages.1.body.0.planes"), 24)  # widths after a decision follow it
    assert infer(wider, library, SHAPE)[()][1] == (24, 8, 8)
    assert build(wider, library, SHAPE, CLASSES).classifier.weight.shape == (CLASSES, 24)


@pytest.mark.parametrize("options", [{"pool": "max"}, {"drop": 0.5}])
def test_a_head_of_another_function_stays_inside(options: dict, library: Library) -> None:
    lifted, apart = distance("zoo:net_small", options, library)
    assert apart < 1e-5
    head = lifted.tree.args["head"]
    assert head.block == "zoo.net_small" and list(head.at) == ["layer1", "layer2"]
    assert head.at["layer2"][0] == Node("zoo.Unit", {"planes": 16, "stride": 2})


def test_options_win_over_what_a_factory_says(library: Library) -> None:
    lifted, apart = distance("zoo:net_fixed", {"depth": 1, "pool": "max"}, library)
    assert apart < 1e-5 and lifted.tree.args["head"].block == "zoo.Net"
    assert lifted.tree.args["head"].args == {
        "depth": 1,
        "num_classes": Bound("classes"),
        "pool": "max",
        "widths": (4, 8),
    }
    with pytest.raises(UserError, match=r"zoo\.Net at 3 x 16 x 16, 5 classes: IndexError"):
        lift(find_model("zoo:net_fixed", library), {"widths": ()}, library, SHAPE, CLASSES)


def test_a_token_model_keeps_its_list_of_blocks_open(library: Library) -> None:
    lifted, apart = distance("zoo:tokens_small", {}, library)
    assert apart < 1e-5
    head = lifted.tree.args["head"]
    assert head.args["img_size"] == Bound("height")  # follows the data set
    assert [node.block for node in head.at["blocks"]] == ["zoo.Mixing"] * 3
    shapes = infer(lifted.tree, library, SHAPE)
    assert shapes[("head", AT, "blocks", 1)] == ((8, 17, 1), (8, 17, 1))
    at_other_size = build(lifted.tree, library, (3, 8, 8), 7)
    assert at_other_size.eval()(np.zeros((2, 3, 8, 8), np.float32)).shape == (2, 7)


def test_what_stands_inside_may_be_another(library: Library) -> None:
    tree = lift(find_model("zoo:tokens_small", library), {}, library, SHAPE, CLASSES).tree
    mixing = tree.args["head"].at["blocks"][0]
    for value in ((mixing,), (mixing, Node("jnas.Mlp"), mixing)):
        changed = put(tree, ("head", AT, "blocks"), value)
        model = build(changed, library, SHAPE, CLASSES)
        assert len(model.head.block.blocks) == len(value)
        assert model.eval()(np.zeros((2, *SHAPE), np.float32)).shape == (2, CLASSES)
    slots = Inference(library).slots(tree.args["head"], SHAPE)
    assert slots["blocks.1.fc1"].after == (16, 17, 1) and slots["proj"].before == SHAPE
    inner = replace(mixing, at={"fc1": Node("jnas.Mlp")})
    with pytest.raises(ShapeError, match=r"blocks\.0\.at\.fc1: 8x17x1 becomes 16x17x1 there"):
        infer(put(tree, ("head", AT, "blocks", 0), inner), library, SHAPE)
    wide = put(tree, ("head", AT, "blocks", 0), Node("jnas.ConvNormAct"))
    with pytest.raises(ShapeError, match="17 tokens that are none"):
        infer(wide, library, SHAPE)
    nowhere = put(tree, ("head", AT), {"blocks.9": mixing})
    with pytest.raises(ShapeError, match=r"has no such place for one module; it has proj, blocks"):
        infer(nowhere, library, SHAPE)


def test_overrides_have_paths_hashes_and_checks(library: Library) -> None:
    tree = lift(find_model("zoo:tokens_small", library), {}, library, SHAPE, CLASSES).tree
    path = ("head", AT, "blocks.1.norm")
    assert path_text(path) == "head.at.blocks/1/norm" and parse_path("head.at.blocks/1/norm") == path
    assert parse_path("head.at.0") == ("head", AT, "0")
    shorter = put(tree, ("head", AT, "blocks"), tree.args["head"].at["blocks"][:1])
    assert tree_hash(shorter, library) != tree_hash(tree, library)
    for change, message in (
        ({AT: 3}, r"tree head.at: 3; expected an object"),
        ({AT: {"blocks": []}}, r"tree head.at.blocks: \[\]; expected a list"),
        ({AT: {"blocks": [{"block": "zoo.Mix"}]}}, r"tree head.at.blocks.0: block 'zoo.Mix' .*'zoo.Mixing'"),
        ({AT: {"norm": {"block": "jnas.Mlp"}, "norm.x": {"block": "jnas.Mlp"}}}, "stands inside 'norm'"),
        ({"exact": ["NCHW"]}, r"tree head.exact: \[\"NCHW\"\]; expected"),
        ({"depth": {"bound": "mood"}}, r"tree head.depth: .*mood.*expected"),
    ):
        data = to_json(tree)
        with pytest.raises(UserError, match=message):
            from_json(data | {"head": data["head"] | change}, library)


def test_lifted_trees_are_exported(library: Library) -> None:
    for name in ("zoo:net_small", "zoo:tokens_small"):
        tree = lift(find_model(name, library), {}, library, SHAPE, CLASSES).tree
        module = ModuleType("exported")
        sys.modules["exported"] = module
        exec(compile(export_flax(tree, library, SHAPE, CLASSES), "exported.py", "exec"), vars(module))
        ours, theirs = build(tree, library, SHAPE, CLASSES, seed=3), module.build(seed=3)
        images = jax.random.normal(jax.random.key(0), (2, *SHAPE))
        np.testing.assert_allclose(ours.eval()(images), theirs.eval()(images), atol=1e-6)


def test_names_of_models_are_looked_up_and_built_in_a_child(folder: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("JNAS_CACHE", str(tmp_path))
    opened = open_library([folder])
    tree = named_tree("zoo:net_small?depth=1&widths=[4,8]", opened, SHAPE, CLASSES)
    assert "zoo.Unit" in blocks(tree) and infer(tree, opened, SHAPE)[()][1] == (8, 8, 8)
    for name, message in (
        ("zoo:net_smal", "did you mean net_small"),
        ("zoo:net_small?dept=3", "has no argument dept; did you mean depth"),
        ("zoo:net_small?depth", "'depth' is no option; expected KEY=VALUE"),
        ("zoo:net_small?widths=[]", "zoo.Net at 3 x 16 x 16, 5 classes: IndexError"),
        ("zoology:net_small", "no mined source of the name zoology"),
        ("resnet9", "did you mean resnet"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            named_tree(name, opened, SHAPE, CLASSES)
        assert "\n" not in str(caught.value)


def test_a_network_is_stem_stages_and_head_as_far_as_it_has_them(library: Library) -> None:
    head = lift(find_model("zoo:tokens_small", library), {}, library, SHAPE, CLASSES).tree.args["head"]
    stem = Node("jnas.ConvNormAct", {"out_channels": 6})
    for tree in (network(None, [Node("jnas.Mlp")]), network(stem, [], head), network(None, [stem], head)):
        assert from_json(to_json(tree), library) == tree
        model = build(tree, library, SHAPE, CLASSES)
        assert model.eval()(np.zeros((2, *SHAPE), np.float32)).shape == (2, CLASSES)


def test_blocks_come_before_a_network_that_is_all_head(library: Library) -> None:
    tree = lift(find_model("zoo:tokens_small", library), {}, library, SHAPE, CLASSES).tree
    assert not tree.args.get("stages")
    options = Options(tree, library, SHAPE)
    edit = options.make_edit("insert", ("stages", 0), "jnas.SqueezeExcite", {})
    assert "jnas.SqueezeExcite" in blocks(apply(tree, edit))
