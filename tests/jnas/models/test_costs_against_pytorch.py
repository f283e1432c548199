"""Costs equal those that hooks count in PyTorch: multiplications of convolutions, linear layers and attention."""

from __future__ import annotations

import math

import pytest

from jnas.library.store import open_library
from jnas.models.costs import inspect
from jnas.trees.node import Node, network, sequence
from jnas.trees.starts import START_TREES

torch = pytest.importorskip("torch")
LIBRARY = open_library()


def counted(model, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """(parameters, multiply-adds, activations) of one example."""
    total = [0, 0]

    def hook(module, inputs, output) -> None:
        elements = output[0].numel()
        total[0] += elements * math.prod(module.weight.shape[1:])
        total[1] += elements

    for module in model.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            module.register_forward_hook(hook)
    model.eval()(torch.zeros(1, *shape))
    return sum(p.numel() for p in model.parameters()), *total


def conv(before: int, after: int, kernel: int, stride: int = 1, groups: int = 1):
    layer = torch.nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [layer, torch.nn.BatchNorm2d(after)]


class Residual(torch.nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(*conv(before, after, 3, stride), torch.nn.ReLU(), *conv(after, after, 3))
        same = before == after and stride == 1
        self.shortcut = torch.nn.Identity() if same else torch.nn.Sequential(*conv(before, after, 1, stride))

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


def resnet(blocks: int):
    layers = [*conv(3, 16, 3), torch.nn.ReLU()]
    before = 16
    for width in (16, 32, 64):
        for i in range(blocks):
            layers.append(Residual(before, width, 2 if i == 0 and width > 16 else 1))
            before = width
    return torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(64, 10))


def test_resnet32() -> None:
    found = inspect(START_TREES["resnet32"](), LIBRARY, (3, 32, 32), 10)
    total = found.nodes[""]
    assert (found.parameters, found.multiply_adds, total.activations) == counted(resnet(5), (3, 32, 32))
    assert total.depth == 1 + 15 * 2 + 1  # stem, two in each block (a projection is beside them), classifier


def test_depthwise_grouped_and_token_blocks() -> None:
    class Tokens(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv, self.project = torch.nn.Linear(16, 48, bias=False), torch.nn.Linear(16, 16)
            self.norm = torch.nn.LayerNorm(16)

        def forward(self, x):
            y = self.norm(x.flatten(2).transpose(1, 2))
            q = self.qkv(y)[..., :16]
            return x + self.project(q).transpose(1, 2).reshape(x.shape)

    tree = network(
        Node("jnas.ConvNormAct", {"out_channels": 16}),
        [
            sequence(
                Node("jnas.ConvNormAct", {"groups": 4}), Node("jnas.DepthwiseSeparable"), Node("jnas.SelfAttention")
            )
        ],
    )
    model = torch.nn.Sequential(
        *conv(3, 16, 3), *conv(16, 16, 3, groups=4), *conv(16, 16, 3, groups=16), *conv(16, 16, 1), Tokens(),
        torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(16, 10),
    )  # fmt: skip
    found = inspect(tree, LIBRARY, (3, 8, 8), 10)
    parameters, multiply_adds, activations = counted(model, (3, 8, 8))
    tokens = 8 * 8
    attention = 2 * tokens * tokens * 16  # queries times keys, weights times values, over all heads
    assert (found.parameters, found.multiply_adds) == (parameters, multiply_adds + attention)
    assert found.nodes[""].activations == activations + 4 * tokens * tokens + tokens * 16
