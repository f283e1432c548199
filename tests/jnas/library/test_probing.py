"""Contracts found by executing classes as a translator would emit them, each with one peculiarity of real source."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from jnas.library.binding import BindError, bind, open_arguments, output_shape
from jnas.library.probing import probe
from jnas.library.store import runtime_class
from translators import Argument, Refused
from translators.runtime import functional as F
from translators.runtime import nn, ops
from translators.spelling import is_spelled


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


def test_a_shortcut_made_by_the_caller_is_bound_where_the_shape_changes():
    block = placed(
        BasicBlock,
        argument("inplanes"),
        argument("planes"),
        argument("stride", 1),
        argument("downsample", "None"),
        argument("act_layer", "nn.ReLU"),
    )
    assert (block.contract.output_width, block.contract.stride) == ("planes", "stride")
    assert bind(block, {}, (64, 16, 16))["downsample"] is None
    assert output_shape(block, {"planes": 128, "stride": 2}, (64, 16, 16)) == (128, 8, 8)
    downsample = runtime_class(bind(block, {"planes": 128, "stride": 2}, (64, 16, 16))["downsample"])
    assert downsample(np.zeros((1, 64, 4, 4), np.float32)).shape == (1, 128, 2, 2)
    assert block.family == "residual block"
    assert block.parameter("act_layer").domain[0] == "nn.ReLU" and len(block.parameter("act_layer").domain) > 1
    assert "downsample" not in open_arguments(block, (64, 16, 16))


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
        self.conv = nn.Conv2d(dim, dim * dim // 32, 1)

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


def test_a_module_that_is_wrapped_is_a_decision_with_the_incoming_width():
    block = placed(Wrapper, argument("fn"))
    values = open_arguments(block, (48, 16, 16))["fn"]
    assert len(values) > 1 and all("{width}" in value for value in values)
    assert bind(block, {"fn": values[1]}, (48, 16, 16)) == {"fn": "nn.Conv2d(48, 48, 1)"}


class Stem(nn.Module):
    """Takes three channels, loses the border and halves what is left."""

    def __init__(self, width=24):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, 2)

    def forward(self, x):
        return self.conv(x)


def test_a_width_that_the_source_fixes_and_a_border_that_is_lost():
    block = placed(Stem, argument("width", 24))
    assert (block.contract.exact_width, block.contract.margin, block.contract.reduction) == (3, 2, 2)
    assert output_shape(block, {"width": 24}, (3, 33, 33)) == (24, 16, 16)
    with pytest.raises(BindError, match="width of 3"):
        bind(block, {}, (64, 32, 32))


class Branches(nn.Module):
    def __init__(self, cin, n1, n2, pool):
        super().__init__()
        self.first = nn.Conv2d(cin, n1, 1)
        self.second = nn.Conv2d(cin, n2, 3, padding=1)
        self.third = nn.Conv2d(cin, pool, 1)

    def forward(self, x):
        return ops.cat([self.first(x), self.second(x), self.third(x), x], 1)


def test_branches_of_fixed_widths_add_an_offset():
    calls = ({"cin": 192, "n1": 64, "n2": 96, "pool": 32},)
    arguments = tuple(
        replace(argument(name), uses=(use,))
        for name, use in (
            ("cin", "in_channels"),
            ("n1", "out_channels"),
            ("n2", "out_channels"),
            ("pool", "out_channels"),
        )
    )
    block = probe(Branches, "x.Branches", arguments, calls).block
    width, offset = output_shape(block, {}, (40, 8, 8))[0], block.contract.offset
    assert block.contract.input_width == ("cin",) and offset > 0 and width == 40 + offset


class GlobalPool(nn.Module):
    def forward(self, x):
        return ops.mean(x, (2, 3), keepdim=True)


class Enlarges(nn.Module):
    def forward(self, x):
        return F.interpolate(x, scale_factor=2)


def test_sizes_that_do_not_follow_the_incoming_one_and_sizes_that_grow():
    assert output_shape(placed(GlobalPool), {}, (8, 20, 30)) == (8, 1, 1)
    assert output_shape(placed(Enlarges), {}, (8, 20, 30)) == (8, 40, 60)


class ConvUnit(nn.Module):
    def __init__(self, cin, width, **kwargs):
        super().__init__()
        self.conv = nn.Conv2d(cin, width, **kwargs)

    def forward(self, x):
        return self.conv(x)


def test_call_sites_name_what_keyword_arguments_bring_and_padding_is_preferred():
    arguments = (argument("cin"), replace(argument("width"), uses=("out_channels",)))
    calls = ({"kernel_size": 1}, {"kernel_size": 3, "padding": 1})
    block = probe(ConvUnit, "x.ConvUnit", arguments, calls).block
    assert (block.contract.output_width, block.contract.margin) == ("width", 0)
    assert output_shape(block, {}, (16, 9, 9)) == (16, 9, 9)


@pytest.mark.parametrize(
    ("cls", "arguments", "reason"),
    [
        (Pooled, (), "no image and no tokens"),
        (Odd, (argument("dim"),), "no line"),
        (Pair, (), "tuple"),
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


class TakesFunctions(nn.Module):
    """As sources do that take functions apart from modules."""

    def __init__(self, in_channels, out_channels, normalization, activation):
        super().__init__()
        assert not isinstance(normalization, type) and not isinstance(activation, type)
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm = normalization(num_features=out_channels)
        self.act = activation()

    def forward(self, x):
        return self.act(self.norm(self.conv(x)))


def test_functions_that_make_layers_stand_where_their_classes_do_not():
    names = ("in_channels", "out_channels", "normalization", "activation")
    block = placed(TakesFunctions, *(argument(name, annotation="Callable[..., nn.Module]") for name in names))
    bound = bind(block, {"out_channels": 32}, (16, 8, 8))
    assert is_spelled(bound["activation"]) and runtime_class(bound["activation"])().__class__ is nn.ReLU
    assert output_shape(block, {"out_channels": 32}, (16, 8, 8)) == (32, 8, 8)


class ListedBranches(nn.Module):
    def __init__(self, in_channels, mid_channels_list, kernel_sizes):
        super().__init__()
        assert len(mid_channels_list) == 3
        self.branches = nn.ModuleList(
            nn.Conv2d(in_channels, width, size, padding=size // 2)
            for width, size in zip(mid_channels_list, kernel_sizes, strict=True)
        )

    def forward(self, x):
        return ops.cat([branch(x) for branch in self.branches], dim=1)


def test_sequences_have_the_length_that_the_source_tells():
    widths = replace(argument("mid_channels_list", annotation="list[int]"), uses=("[]", "[3]"))
    block = placed(
        ListedBranches, argument("in_channels"), widths, argument("kernel_sizes", annotation="tuple[int, int, int]")
    )
    assert bind(block, {}, (64, 16, 16))["kernel_sizes"] == (3, 3, 3)
    assert output_shape(block, {}, (64, 16, 16)) == (96, 16, 16)


class Video(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.conv = nn.Conv3d(in_channels, in_channels, 3, padding=1)

    def forward(self, x):
        return self.conv(x)


class Signal(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.conv = nn.Conv1d(in_channels, 2 * in_channels, 3)

    def forward(self, x):
        return self.conv(x).mean(axis=1, keepdims=True)


@pytest.mark.parametrize(("cls", "axes"), [(Video, 5), (Signal, 3)])
def test_what_takes_volumes_or_signals_executes_and_has_no_place(cls, axes):
    found = probe(cls, "x.Block", (argument("in_channels"),))
    assert (found.status, len(found.example.shape)) == ("executed", axes), found.reason


class Flip(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, x):
        return ops.flip(x, (-1,)) if ops.rand(1) < self.p else x


def test_what_branches_on_its_own_random_numbers_executes_and_has_no_place():
    found = probe(Flip, "x.Flip", (argument("p", 0.5),))
    assert found.status == "executed" and "R04" in found.reason and found.block.contract is None


class KeepsAMode(nn.Module):
    """Its own train gives nothing back, as in sources that never use what it returns."""

    def __init__(self, dim):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, 3, padding=1)

    def train(self, mode=True):
        super().train(mode)

    def forward(self, x):
        return self.conv(x)


def test_a_train_method_that_returns_nothing_is_as_good_as_any():
    assert placed(KeepsAMode, argument("dim")).contract.layout == "NCHW"


class Evaluates(nn.Module):
    def forward(self, x):
        return x.missing() if self.training else F.relu(x)


def test_what_executes_in_evaluation_alone_says_so():
    found = probe(Evaluates, "x.Evaluates", ())
    assert found.status == "executed" and found.reason.startswith("in training mode: ") and "missing" in found.reason


class Large(nn.Module):
    """Wants an image of another size, and an image that large is too much."""

    def __init__(self, dim):
        super().__init__()

    def forward(self, x):
        if x.shape[-1] > 100:
            raise MemoryError
        raise ValueError("expected 224 x 224")


def test_an_image_that_fills_the_memory_does_not_hide_why_a_class_fails():
    found = probe(Large, "x.Large", (argument("dim"),))
    assert found.status == "crashed" and "expected 224" in found.reason


class Deep(nn.Module):
    made: ClassVar[list[int]] = []

    def __init__(self, dim, depth=12, deepest=99):
        super().__init__()
        assert depth <= deepest
        Deep.made.append(depth)
        self.layers = nn.Sequential(*(nn.Conv2d(dim, dim, 3, padding=1) for _ in range(depth)))

    def forward(self, x):
        return self.layers(x)


def test_a_deep_block_is_explored_with_few_layers_and_confirmed_at_its_own_depth():
    Deep.made.clear()
    block = placed(Deep, argument("dim"), argument("depth", 12))
    assert block.parameter("depth").default == 12 and block.parameter("depth").domain == (1, 2, 3, 12)
    assert 0 < Deep.made.count(12) < 4 < Deep.made.count(2)


class Shallow(Deep):
    def __init__(self, dim, depth=12):
        super().__init__(dim, depth, 8)


def test_what_works_with_few_layers_alone_is_not_placed():
    assert probe(Shallow, "x.Shallow", (argument("dim"), argument("depth", 12))).status == "crashed"


class Crops(nn.Module):
    """Leaves nothing of a small input, and does not mind."""

    def forward(self, x):
        return x[:, :, 16:, 16:] * 2


def test_what_leaves_nothing_of_an_input_has_not_executed_on_it():
    block = placed(Crops)
    assert output_shape(block, {}, (8, 28, 28))[1:] != (0, 0)
