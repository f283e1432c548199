"""What comes into a tree takes width and stride from its place. Pure; the rules are ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil

from jnas.library.binding import Shape
from jnas.library.block import Block
from jnas.trees.node import Node
from jnas.trees.shapes import Inference, ShapeError


def placed(node: Node, before: Shape, after: Shape, inference: Inference) -> Node | None:
    """`node` with the widths and strides that make `before` into `after`; None where it cannot.

    Of parts one after another one takes the whole change, the first that can; branches take it each, and those of a
    concatenation share the width.
    """
    fitting: Iterator[Node]
    if node.is_container:
        fitting = (node.with_args(body=body) for body in _bodies(node, before, after, inference))
    else:
        fitting = _decisions(node, before, after, inference.library)
    return next((found for found in fitting if _out(found, before, inference) == after), None)


def _bodies(node: Node, before: Shape, after: Shape, inference: Inference) -> Iterator[Node | tuple[Node, ...]]:
    body = node.args["body"]
    if node.block == "repeat":
        found = placed(body, before, after, inference)
        if found is not None:
            yield found
    elif node.block == "branches":
        shares = [after] * len(body)
        if node.args["join"] == "concat":
            share = after[0] // len(body)
            shares = [(after[0] - share * (len(body) - 1), *after[1:])] + [(share, *after[1:])] * (len(body) - 1)
        items = [placed(item, before, out, inference) for item, out in zip(body, shares, strict=True)]
        if all(items):
            yield tuple(item for item in items if item is not None)
    else:
        for changing in range(len(body)):
            ends = [(before if i <= changing else after, before if i < changing else after) for i in range(len(body))]
            items = [placed(item, *end, inference) for item, end in zip(body, ends, strict=True)]
            if all(items):
                yield tuple(item for item in items if item is not None)


def _decisions(node: Node, before: Shape, after: Shape, library: Mapping[str, Block]) -> Iterator[Node]:
    """The block with other widths and strides, which may make `before` into `after`; cheap to say where none can."""
    block, decisions = library[node.block], dict(node.args)
    contract = block.contract
    if contract is None:
        return
    if contract.stride is None:
        if ceil(before[1] / contract.reduction) != after[1]:
            return
    else:
        decisions.pop(contract.stride, None)
        if before[1:] != after[1:]:
            stride = block.parameter(contract.stride)
            if not after[1]:
                return
            factor, rest = divmod(round(before[1] / after[1]), contract.reduction)
            if rest or stride is None or factor not in stride.domain:
                return
            decisions[contract.stride] = factor
    if contract.output_width is None:
        if contract.growth is None and before[0] * contract.expansion != after[0]:
            return
        yield Node(block.name, decisions)
        return
    decisions.pop(contract.output_width, None)
    if before[0] == after[0]:
        yield Node(block.name, decisions)
    yield Node(block.name, {**decisions, contract.output_width: round(after[0] / contract.expansion)})


def _out(node: Node, before: Shape, inference: Inference) -> Shape | None:
    try:
        return inference.out(node, before)
    except ShapeError:
        return None
