"""Trees to start a search from, made of our own blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jnas.trees.node import Node, network, repeat, sequence


def resnet(blocks: int) -> Node:
    """ResNet in its CIFAR form with three stages of `blocks` residual blocks (He et al. 2016, section 4.2)."""
    stem = Node("jnas.ConvNormAct", {"out_channels": 16})
    first, second, third = (
        Node("jnas.BasicResidual"),
        Node("jnas.BasicResidual", {"out_channels": 32, "stride": 2}),
        Node("jnas.BasicResidual", {"out_channels": 64, "stride": 2}),
    )
    return network(stem, [_stage(first, blocks), _stage(second, blocks), _stage(third, blocks)])


def mobilenet() -> Node:
    """Inverted residual blocks in three stages, in the manner of MobileNetV2 at CIFAR sizes. Widths are ours."""
    stem = Node("jnas.ConvNormAct", {"out_channels": 16})
    block = Node("jnas.InvertedResidual")
    return network(
        stem,
        [sequence(block)] + [sequence(block.with_args(out_channels=width, stride=2), block) for width in (24, 48)],
    )


def _stage(first: Node, blocks: int) -> Node:
    plain = Node("jnas.BasicResidual")
    if blocks == 1:
        return sequence(first)
    return sequence(repeat(first, blocks)) if first == plain else sequence(first, repeat(plain, blocks - 1))


START_TREES: Mapping[str, Callable[[], Node]] = {
    "resnet8": lambda: resnet(1),
    "resnet14": lambda: resnet(2),
    "resnet20": lambda: resnet(3),
    "resnet32": lambda: resnet(5),
    "mobilenet": mobilenet,
}
