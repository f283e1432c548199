"""Shapes at every edge of a tree, from the contracts of its blocks; what has none is asked of the library.

Every edge carries (channels, height, width); tokens that form no grid are (channels, tokens, 1).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jnas.library.binding import BindError, Shape, bind, contract_of, open_arguments, output_shape
from jnas.library.block import Block
from jnas.library.exact import Evaluate, Slot, Traced, bind_exact, unknown
from jnas.trees.node import AT, Node, Path, children, path_text, to_json
from jnas.trees.remembered import NODES, per_library

SMALLEST = 2  # pixels; a feature map below it has no space left to reduce


@dataclass(frozen=True)
class _Misfit:
    """A ShapeError as a value: an exception would keep all frames that it passed."""

    path: Path
    reason: str


class ShapeError(Exception):
    """The tree does not fit together at `path`."""

    def __init__(self, path: Path, reason: str):
        super().__init__(f"{path_text(path) or 'tree'}: {reason}")
        self.path = path
        self.reason = reason


def infer(tree: Node, library: Mapping[str, Block], shape: Shape) -> dict[Path, tuple[Shape, Shape]]:
    """(incoming, outgoing) shape, each (channels, height, width), of every node. Raises ShapeError.

    What stands in a repeat is listed with the shapes of its first copy.
    """
    return inference_of(library).infer(tree, shape)


class Inference:
    """Inference that remembers what it has seen, so that a tree that differs in one node costs that node only."""

    def __init__(self, library: Mapping[str, Block]):
        self.library = library
        self._evaluate: Evaluate = getattr(library, "evaluate", unknown)  # a plain mapping of blocks runs nothing
        self._found = lru_cache(NODES)(self._tried)
        self._traced = lru_cache(NODES)(self._trace)
        self.choices = lru_cache(NODES)(self._choices)
        self.likely: dict[str, str] = {}  # edit kind -> the block that was last seen to fit: it is tried first

    def infer(self, tree: Node, shape: Shape) -> dict[Path, tuple[Shape, Shape]]:
        """See `infer` of this module."""
        return {path: (before, self.out(node, before)) for path, node, before in self.edges(tree, shape)}

    def edges(self, tree: Node, shape: Shape, path: Path = ()) -> Iterator[tuple[Path, Node, Shape]]:
        """(path, node, incoming shape), parents before children. Raises ShapeError."""
        self.out(tree, shape)
        yield path, tree, shape
        slots = self.slots(tree, shape) if tree.at else {}
        for step, child in children(tree):
            if step[0] == AT and step[2:] in ((), (0,)):
                shape = slots[str(step[1])].before
            yield from self.edges(child, shape, path + step)
            if tree.block != "branches":
                shape = self.out(child, shape)

    def slots(self, node: Node, shape: Shape) -> Mapping[str, Slot]:
        """Places inside a block where another module may stand, as its constructor makes it. Raises ShapeError.

        They are those of the block itself, whatever stands there now: what replaces a part keeps its shapes.
        """
        return self._traced(node, shape).slots

    def out(self, node: Node, shape: Shape) -> Shape:
        """Outgoing shape of `node` at incoming `shape`. Raises ShapeError with a path that starts at `node`."""
        found = self._found(node, shape)
        if isinstance(found, _Misfit):
            raise ShapeError(found.path, found.reason)
        return found

    def _tried(self, node: Node, shape: Shape) -> Shape | _Misfit:
        try:
            return self._out(node, shape)
        except ShapeError as error:
            return _Misfit(error.path, error.reason)

    def _choices(self, name: str, shape: Shape) -> Mapping[str, tuple[Any, ...]]:
        """The open arguments of a block at incoming `shape` (see jnas.library.binding)."""
        return open_arguments(self.library[name], shape)

    def _out(self, node: Node, shape: Shape) -> Shape:
        if not node.is_container:
            return self._block(node, shape)
        if node.block == "branches":
            return self._joined(node, shape)
        out = shape
        for _ in range(node.args["times"] if node.block == "repeat" else 1):
            for step, child in children(node):
                after = self._child(step, child, out)
                out = out if step == ("head",) else after
        if node.block == "residual" and out != shape:
            raise ShapeError((), f"a residual keeps its shape, the body makes {_text(shape)} into {_text(out)}")
        return out

    def _block(self, node: Node, shape: Shape) -> Shape:
        if node.exact is not None:
            out = self._traced(node, shape).after
        else:
            try:
                out = output_shape(self.library[node.block], node.args, shape)
            except BindError as error:
                raise ShapeError((), str(error)) from None
            contract = self.library[node.block].contract
            if is_row(shape) and contract is not None and contract.layout != "NLC":
                raise ShapeError((), f"{node.block} works on a grid, it receives {shape[1]} tokens that are none")
            stride = contract.reduction * node.args.get(contract.stride or "", 1) if contract is not None else 1
            if stride > 1 and min(shape[1:]) < SMALLEST and not is_row(shape):
                raise ShapeError((), f"{node.block} reduces {shape[1]} x {shape[2]} pixels, the smallest is {SMALLEST}")
        if node.at:
            self._check_inside(node, shape)
        return out

    def _check_inside(self, node: Node, shape: Shape) -> None:
        """What stands inside a block makes of an array what the part that it replaces made of it."""
        slots = self.slots(node, shape)
        for place, value in node.at.items():
            slot = slots.get(place)
            if slot is None:
                nearest = ", ".join(list(slots)[:6]) or "none"
                raise ShapeError((AT, place), f"{node.block} has no such place for one module; it has {nearest}")
            if isinstance(value, tuple) and not slot.many:
                raise ShapeError((AT, place), f"{place} of {node.block} is one module; expected a node, not a list")
            out = slot.before
            for i, child in enumerate(value) if isinstance(value, tuple) else ((None, value),):
                out = self._child((AT, place) if i is None else (AT, place, i), child, out)
            if out != slot.after:
                wanted = f"{_text(slot.before)} becomes {_text(slot.after)} there"
                raise ShapeError((AT, place), f"{wanted}, what stands there now makes {_text(out)}")

    def _trace(self, node: Node, shape: Shape) -> Traced:
        """What the library sees of the block as its constructor makes it. Raises ShapeError."""
        try:
            if node.exact is not None:
                layouts, arguments = node.exact, bind_exact(node.args, shape)
            else:
                contract = contract_of(self.library[node.block])
                layouts, arguments = (
                    (contract.layout, contract.output_layout),
                    bind(self.library[node.block], node.args, shape),
                )
            text = json.dumps({name: to_json(value) for name, value in arguments.items()}, sort_keys=True)
            return self._evaluate(node.block, text, layouts, shape)
        except BindError as error:
            raise ShapeError((), str(error)) from None

    def _joined(self, node: Node, shape: Shape) -> Shape:
        outs = [self._child(step, child, shape) for step, child in children(node)]
        concat = node.args["join"] == "concat"
        for i, out in enumerate(outs):
            if out[concat:] != outs[0][concat:]:
                wanted = f"branch 0 gives {_text(outs[0])}, branch {i} {_text(out)}"
                raise ShapeError(("body", i), f"branches joined by {node.args['join']} must agree: {wanted}")
        return (sum(out[0] for out in outs), *outs[0][1:]) if concat else outs[0]

    def _child(self, step: Path, child: Node, shape: Shape) -> Shape:
        try:
            return self.out(child, shape)
        except ShapeError as error:
            raise ShapeError(step + error.path, error.reason) from None


inference_of = per_library(Inference)  # one for all trees of a library: the next tree differs in one node


def is_row(shape: Shape) -> bool:
    """Whether the edge carries tokens that form no grid."""
    return shape[2] == 1 and shape[1] > 1


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape))
