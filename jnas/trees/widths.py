"""Widths that change together: scaled in one part of a tree, or with all that must stay as wide. Pure, ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from jnas.library.binding import Shape
from jnas.library.block import Block
from jnas.trees.edits import Edit, Setting, apply_unfolded, joint
from jnas.trees.node import Node, Path, get, walk
from jnas.trees.shapes import Inference, ShapeError

GRIDS = (8, 16, 32, 1)  # channels are multiples of the first that fits everywhere


@dataclass(frozen=True)
class Width:
    """The argument that says how many `channels` leave the node at `path`; they are `expansion` times its value."""

    path: Path
    argument: str
    channels: int
    expansion: Fraction

    def setting(self, channels: int) -> Setting | None:
        value = channels / self.expansion
        return (self.path, self.argument, int(value)) if value.denominator == 1 and value >= 1 else None


def stated(
    tree: Node, path: Path, shapes: Mapping[Path, tuple[Shape, Shape]], library: Mapping[str, Block]
) -> Iterator[Width]:
    """Widths that the tree states at `path` and below; all others follow from them."""
    for place, node in walk(get(tree, path), path):
        width = None if place not in shapes else width_of(node, place, shapes, library)
        if width is not None and width.argument in node.args:
            yield width


def width_of(
    node: Node, path: Path, shapes: Mapping[Path, tuple[Shape, Shape]], library: Mapping[str, Block]
) -> Width | None:
    """The width of one block, stated or not; None where no argument sets it."""
    contract = None if node.is_container or node.exact else library[node.block].contract
    if contract is None or contract.output_width is None:
        return None
    expansion = Fraction(contract.expansion).limit_denominator(64)
    return Width(path, contract.output_width, shapes[path][1][0], expansion)


def changed(widths: Iterable[Width], channels: Mapping[int, int]) -> Edit | None:
    """The edit that gives the widths new numbers of channels; None where one has no such value, or none changes."""
    settings = [w.setting(channels[w.channels]) for w in widths if channels[w.channels] != w.channels]
    return joint(s for s in settings if s is not None) if settings and None not in settings else None


def scaled(tree: Node, path: Path, factor: float, inference: Inference, shape: Shape) -> Edit | None:
    """All stated widths at `path` and below times `factor`, rounded to a grid on which the tree fits; None without."""
    widths = list(stated(tree, path, inference.infer(tree, shape), inference.library))
    for grid in GRIDS:
        channels = {w.channels: max(grid, round(w.channels * factor / grid) * grid) for w in widths}
        edit = changed(widths, channels)
        if edit is not None and _fits(tree, edit, inference, shape):
            return edit
    return None


def widened(tree: Node, path: Path, value: int, inference: Inference, shape: Shape) -> Edit | None:
    """The width of the block at `path` becomes `value`, with all that are as wide in the smallest part that then fits.

    A width that is not stated follows where it can, and is stated where it must.
    """
    shapes = inference.infer(tree, shape)
    own = width_of(get(tree, path), path, shapes, inference.library)
    if own is None or (own.expansion * value).denominator != 1:
        return None
    channels = int(own.expansion * value)
    for end in range(len(path) - 1, -1, -1):
        if path[:end] not in shapes:
            continue
        widths = {w.path: w for w in stated(tree, path[:end], shapes, inference.library) if w.channels == own.channels}
        for group in (widths, {**widths, path: own}):
            edit = changed(group.values(), {own.channels: channels})
            if edit is not None and _leaves(tree, edit, path, channels, inference, shape):
                return edit
    return None


def _leaves(tree: Node, edit: Edit, path: Path, channels: int, inference: Inference, shape: Shape) -> bool:
    """Whether so many channels leave the node at `path` of the edited tree, which fits."""
    try:
        return inference.infer(apply_unfolded(tree, edit), shape)[path][1][0] == channels
    except ShapeError:
        return False


def _fits(tree: Node, edit: Edit, inference: Inference, shape: Shape) -> bool:
    try:
        return bool(inference.out(apply_unfolded(tree, edit), shape))
    except ShapeError:
        return False
