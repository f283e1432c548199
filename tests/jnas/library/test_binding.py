import pytest

from jnas.library.binding import BindError, bind, open_arguments, output_shape
from jnas.library.block import Block, Contract, Parameter
from jnas.library.declarations import OWN_BLOCKS

CONV = OWN_BLOCKS["jnas.ConvNormAct"]
BOTTLENECK = Block(
    "x.Bottleneck",
    "residual block",
    (
        Parameter("inplanes", "input width", required=True),
        Parameter("planes", "output width", required=True, domain=(8, 16, 32)),
        Parameter("stride", "stride", 1, domain=(1, 2)),
    ),
    Contract(input_width=("inplanes",), output_width="planes", expansion=4, stride="stride"),
)


def test_absent_output_width_and_stride_keep_the_shape():
    assert bind(CONV, {}, (32, 16, 16)) == {"in_channels": 32, "out_channels": 32, "stride": 1}
    assert output_shape(CONV, {}, (32, 16, 16)) == (32, 16, 16)


def test_output_width_and_stride_change_it_and_odd_sizes_round_up():
    assert output_shape(CONV, {"out_channels": 48, "stride": 2}, (32, 15, 7)) == (48, 8, 4)


def test_expansion_is_kept_as_nearly_as_it_allows():
    assert bind(BOTTLENECK, {}, (64, 8, 8))["planes"] == 16
    assert output_shape(BOTTLENECK, {}, (66, 8, 8)) == (64, 8, 8)


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ({"in_channels": 32}, "follows from its place"),
        ({"depth": 2}, "no argument depth"),
        ({"groups": 3}, "multiple of 3"),
        ({"groups": 8, "out_channels": 12}, "does not divide"),
        ({"stride": 0}, "positive"),
    ],
)
def test_what_does_not_fit_says_why(args, reason):
    with pytest.raises(BindError, match=reason):
        bind(CONV, args, (32, 16, 16))


def test_heads_scale_the_width_they_need():
    attention = OWN_BLOCKS["jnas.SelfAttention"]
    assert open_arguments(attention, (24, 8, 8))["heads"] == (1, 2, 4, 8)
    with pytest.raises(BindError):
        bind(attention, {}, (6, 8, 8))
    assert bind(attention, {"heads": 2}, (6, 8, 8)) == {"dim": 6, "heads": 2}


def test_sizes_and_windows_follow_the_input():
    window = Parameter("window", "size", 7, domain=(2, 4, 7))
    block = Block("x.W", "attention", (window,), Contract(sizes=(("window", "window"),)))
    assert [bind(block, {}, (8, size, size))["window"] for size in (28, 16, 6)] == [7, 4, 2]
    with pytest.raises(BindError, match="tiles"):
        bind(block, {}, (8, 5, 5))
    mixer = OWN_BLOCKS["jnas.TokenMixer"]
    assert bind(mixer, {}, (8, 4, 6))["tokens"] == 24


def test_tied_width_cannot_be_set_and_free_width_can():
    tied = Parameter("planes", "input width", required=True)
    free = Parameter("hidden", "width", required=True, domain=(8, 16))
    contract = Contract(width_ratios=(("planes", 0.25), ("hidden", 0.5)))
    block = Block("x.B", "other", (tied, free), contract)
    assert bind(block, {}, (64, 8, 8)) == {"planes": 16, "hidden": 32}
    assert bind(block, {"hidden": 8}, (64, 8, 8))["hidden"] == 8
    with pytest.raises(BindError, match="planes"):
        bind(block, {"planes": 8}, (64, 8, 8))
    with pytest.raises(BindError, match="whole number"):
        bind(block, {}, (66, 8, 8))


def test_open_arguments_offer_only_what_fits_there():
    offered = open_arguments(CONV, (12, 1, 1))
    assert offered["groups"] == (1, 2, 4)
    assert max(offered["out_channels"]) <= 48
    assert "in_channels" not in offered


def test_a_block_without_contract_cannot_be_bound():
    with pytest.raises(BindError, match="no contract"):
        bind(Block("x.Y", "other"), {}, (8, 8, 8))
