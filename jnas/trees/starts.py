"""Trees to start a search from, made of our own blocks, in canonical form."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jnas.trees.node import Node, fold, network, repeat, sequence


def resnet(blocks: int) -> Node:
    """ResNet in its CIFAR form with three stages of `blocks` residual blocks (He et al. 2016, section 4.2)."""
    stem = Node("jnas.ConvNormAct", {"out_channels": 16})
    block = Node("jnas.BasicResidual")
    stages = [repeat(block, blocks)]
    for width in (32, 64):
        first = block.with_args(out_channels=width, stride=2)
        stages.append(sequence(first, *[repeat(block, blocks - 1)] * (blocks > 1)))
    return fold(network(stem, stages))


def mobilenet() -> Node:
    """Inverted residual blocks in three stages, in the manner of MobileNetV2 at CIFAR sizes. Widths are ours."""
    stem = Node("jnas.ConvNormAct", {"out_channels": 16})
    block = Node("jnas.InvertedResidual")
    wider = [sequence(block.with_args(out_channels=width, stride=2), block) for width in (24, 48)]
    return network(stem, [sequence(block), *wider])


START_TREES: Mapping[str, Callable[[], Node]] = {
    "resnet8": lambda: resnet(1),
    "resnet14": lambda: resnet(2),
    "resnet20": lambda: resnet(3),
    "resnet32": lambda: resnet(5),
    "mobilenet": mobilenet,
}
