"""Contracts found by executing classes as a translator would emit them, each with one peculiarity of real source."""

import numpy as np
import pytest

from jnas.library.binding import bind, output_shape
from jnas.library.probing import probe
from translators import Argument, Refused
from translators.runtime import functional as F
from translators.runtime import nn, ops


def argument(name, *default, annotation=""):
    """An argument as mining describes it: required without `default`, which is a literal or an expression's text."""
    if not default:
        return Argument(name, True, None, "", annotation)
    source = default[0] if isinstance(default[0], str) else repr(default[0])
    literal = None if isinstance(default[0], str) else default[0]
    return Argument(name, False, literal, source, annotation)


def placed(cls, *arguments):
    found = probe(cls, f"x.{cls.__name__}", arguments)
    assert found.status == "placeable", found.reason
    return found.block


class BasicBlock(nn.Module):
    def __init__(self, inplanes, planes, stride=1, downsample=None, act_layer=nn.ReLU):
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, 1)
        self.bn = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1)
        self.act = act_layer()
        self.downsample = downsample

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.act(self.conv2(self.act(self.bn(self.conv1(x)))) + shortcut)


def test_width_that_a_residual_ties_to_the_incoming_one():
    block = placed(
        BasicBlock,
        argument("inplanes"),
        argument("planes"),
        argument("stride", 1),
        argument("downsample", "None"),
        argument("act_layer", "nn.ReLU"),
    )
    assert block.contract.input_width == ("inplanes", "planes")
    assert block.contract.output_width is None and block.contract.stride is None
    assert block.family == "residual block"
    assert block.parameter("act_layer").domain[0] == "nn.ReLU" and len(block.parameter("act_layer").domain) > 1
    assert block.parameter("planes").role == "input width"


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inplanes, planes):
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 1)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1)
        self.conv3 = nn.Conv2d(planes, planes * self.expansion, 1)

    def forward(self, x):
        return x + self.conv3(self.conv2(self.conv1(x)))


def test_width_that_must_be_a_quarter_of_the_incoming_one():
    block = placed(Bottleneck, argument("inplanes"), argument("planes"))
    assert block.contract.width_ratios == (("planes", 0.25),)
    assert block.contract.width_multiple == 4
    assert bind(block, {}, (32, 8, 8)) == {"inplanes": 32, "planes": 8}


class Down(nn.Module):
    def __init__(self, dim, dim_out=None, stride=2, drop=0.0):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim_out or dim, 3, stride, 1, groups=4)
        self.drop = nn.Dropout(drop)

    def forward(self, x):
        return self.drop(self.conv(x))


def test_optional_output_width_stride_and_rate():
    block = placed(
        Down,
        argument("dim"),
        argument("dim_out", "None", annotation="Optional[int]"),
        argument("stride", 2),
        argument("drop", 0.0),
    )
    contract = block.contract
    assert (contract.output_width, contract.stride, contract.expansion, contract.reduction) == (
        "dim_out",
        "stride",
        1,
        1,
    )
    assert (contract.width_multiple, contract.output_multiple) == (4, 4)
    assert block.parameter("stride").domain == (1, 2)
    assert block.parameter("drop").domain == (0.0, 0.1)
    assert output_shape(block, {"dim_out": 64, "stride": 2}, (32, 15, 15)) == (64, 8, 8)


class WindowAttention(nn.Module):
    def __init__(self, dim, num_heads, window_size=7):
        super().__init__()
        self.heads, self.window = num_heads, window_size
        self.qkv = nn.Linear(dim, 3 * dim)

    def forward(self, x):
        n, h, w, c = x.shape
        s = self.window
        if h % s or w % s:
            raise ValueError("windows do not tile")
        x = x.reshape(n, h // s, s, w // s, s, c).transpose(0, 1, 3, 2, 4, 5).reshape(-1, s * s, c)
        q, k, v = self.qkv(x).reshape(-1, s * s, 3, self.heads, c // self.heads).transpose(2, 0, 3, 1, 4)
        y = ops.softmax(q @ k.swapaxes(-1, -2), -1) @ v
        y = y.swapaxes(1, 2).reshape(n, h // s, w // s, s, s, c)
        return y.transpose(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)


def test_channels_last_heads_and_windows():
    block = placed(WindowAttention, argument("dim"), argument("num_heads"), argument("window_size", 7))
    assert (block.contract.layout, block.family) == ("NHWC", "attention")
    assert block.contract.sizes == (("window_size", "window"),)
    assert block.parameter("num_heads").role == "heads"
    assert [bind(block, {}, (32, s, s))["window_size"] for s in (28, 16)] == [7, 8]
    assert block.contract.supplied["num_heads"] == block.parameter("num_heads").default


class RelativePosition(nn.Module):
    def __init__(self, dim, feat_size):
        super().__init__()
        self.scale = nn.Parameter(np.zeros((1, dim, *feat_size), np.float32))

    def forward(self, x):
        return x * F.sigmoid(self.scale)


def test_sizes_bound_to_the_input():
    block = placed(RelativePosition, argument("dim"), argument("feat_size", annotation="Tuple[int, int]"))
    assert block.contract.sizes == (("feat_size", "pair"),)
    assert bind(block, {}, (8, 5, 7))["feat_size"] == (5, 7)


class PatchEmbed(nn.Module):
    def __init__(self, patch_size=4, in_chans=3, embed_dim=768):
        super().__init__()
        self.proj = nn.Conv2d(in_chans, embed_dim, patch_size, patch_size)

    def forward(self, x):
        return ops.transpose(ops.flatten(self.proj(x), 2), 1, 2)


def test_image_to_tokens():
    block = placed(PatchEmbed, argument("patch_size", 4), argument("in_chans", 3), argument("embed_dim", 768))
    contract = block.contract
    assert (contract.layout, contract.output_layout) == ("NCHW", "NLC")
    assert (contract.input_width, contract.output_width, contract.stride) == (("in_chans",), "embed_dim", "patch_size")
    assert output_shape(block, {"patch_size": 4, "embed_dim": 96}, (3, 32, 32)) == (96, 8, 8)


class Ghost(nn.Module):
    def __init__(self, in_chs, mid_chs, out_chs, kernel_size, use_se, stride):
        super().__init__()
        self.a = nn.Conv2d(in_chs, mid_chs, kernel_size, stride, kernel_size // 2)
        self.b = nn.Conv2d(mid_chs, out_chs, 1)

    def forward(self, x):
        return self.b(self.a(x))


def test_required_arguments_without_default():
    block = placed(Ghost, *map(argument, ("in_chs", "mid_chs", "out_chs", "kernel_size", "use_se", "stride")))
    assert block.contract.output_width == "out_chs"
    assert dict(block.contract.width_ratios) == {"mid_chs": 0.5}
    assert block.parameter("mid_chs").domain
    assert block.parameter("kernel_size").domain == (3, 5, 7)
    assert block.contract.supplied == {"kernel_size": 3, "use_se": False}
    assert bind(block, {"stride": 2}, (32, 8, 8)) == {
        "in_chs": 32, "mid_chs": 16, "out_chs": 32, "kernel_size": 3, "use_se": False, "stride": 2,
    }  # fmt: skip


class Pooled(nn.Module):
    def forward(self, x):
        return ops.mean(x, (2, 3))


class Dense(nn.Module):
    def __init__(self, dim, growth_rate=16):
        super().__init__()
        self.conv = nn.Conv2d(dim, growth_rate, 3, 1, 1)

    def forward(self, x):
        return ops.cat([x, self.conv(x)], 1)


@pytest.mark.parametrize("growth", [argument("growth_rate", 16), argument("growth_rate")])
def test_width_that_grows(growth):
    block = placed(Dense, argument("dim"), growth)
    assert block.contract.growth == ("growth_rate", 1)
    assert output_shape(block, {}, (40, 8, 8)) == (56, 8, 8)
    assert output_shape(block, {"growth_rate": 8}, (40, 8, 8)) == (48, 8, 8)


class Odd(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim + 7, 1)

    def forward(self, x):
        return self.conv(x)


class Pair(nn.Module):
    def forward(self, x):
        return x, x


class Wrapper(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x):
        return self.fn(x) + x


class FixedWidth(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(64, 64, 1)

    def forward(self, x):
        return self.conv(x)


@pytest.mark.parametrize(
    ("cls", "arguments", "reason"),
    [
        (Pooled, (), "no image and no tokens"),
        (Odd, (argument("dim"),), "not proportional"),
        (Pair, (), "tuple"),
        (Wrapper, (argument("fn"),), "needs a module"),
        (FixedWidth, (), "at width 64 only"),
    ],
)
def test_what_executes_without_a_contract_says_why(cls, arguments, reason):
    found = probe(cls, "x.Y", arguments)
    assert (found.status, found.block.contract) == ("executed", None)
    assert reason in found.reason


class Reaches(nn.Module):
    def forward(self, x):
        raise Refused("R10", "fold is not supported")


class Fails(nn.Module):
    def __init__(self, dim):
        super().__init__()
        raise KeyError(dim)


def test_unsupported_and_failing_classes_are_answers():
    refused = probe(Reaches, "x.Reaches", ())
    assert (refused.status, refused.code, refused.block) == ("refused", "R10", None)
    crashed = probe(Fails, "x.Fails", (argument("dim"),))
    assert crashed.status == "crashed" and "KeyError" in crashed.reason


def test_probing_is_deterministic():
    arguments = tuple(map(argument, ("in_chs", "mid_chs", "out_chs", "kernel_size", "use_se", "stride")))
    assert probe(Ghost, "x.Ghost", arguments) == probe(Ghost, "x.Ghost", arguments)
