"""Shapes at every edge of a tree, from the contracts of its blocks alone. Nothing is executed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from jnas.library.binding import BindError, Shape, output_shape
from jnas.library.block import Block
from jnas.trees.node import Node, Path, children, path_text

SMALLEST = 2  # pixels; a feature map below it has no space left to reduce


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
    return Inference(library).infer(tree, shape)


class Inference:
    """Inference that remembers what it has seen, so that a tree that differs in one node costs that node only."""

    def __init__(self, library: Mapping[str, Block]):
        self.library = library
        self._known: dict[tuple[Node, Shape], Shape | ShapeError] = {}

    def infer(self, tree: Node, shape: Shape) -> dict[Path, tuple[Shape, Shape]]:
        """See `infer` of this module."""
        return {path: (before, self.out(node, before)) for path, node, before in self.edges(tree, shape)}

    def edges(self, tree: Node, shape: Shape, path: Path = ()) -> Iterator[tuple[Path, Node, Shape]]:
        """(path, node, incoming shape), parents before children. Raises ShapeError."""
        self.out(tree, shape)
        yield path, tree, shape
        for step, child in children(tree):
            yield from self.edges(child, shape, path + step)
            if tree.block != "branches":
                shape = self.out(child, shape)

    def out(self, node: Node, shape: Shape) -> Shape:
        """Outgoing shape of `node` at incoming `shape`. Raises ShapeError with a path that starts at `node`."""
        key = (node, shape)
        if key not in self._known:
            try:
                self._known[key] = self._out(node, shape)
            except ShapeError as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, ShapeError):
            raise ShapeError(found.path, found.reason)
        return found

    def _out(self, node: Node, shape: Shape) -> Shape:
        if not node.is_container:
            try:
                out = output_shape(self.library[node.block], node.args, shape)
            except BindError as error:
                raise ShapeError((), str(error)) from None
            if min(out[1:]) < SMALLEST:
                raise ShapeError((), f"{node.block} leaves {out[1]} x {out[2]} pixels, the smallest is {SMALLEST}")
            return out
        if node.block == "branches":
            return self._joined(node, shape)
        out = shape
        for _ in range(node.args["times"] if node.block == "repeat" else 1):
            for step, child in children(node):
                out = self._child(step, child, out)
        if node.block == "residual" and out != shape:
            raise ShapeError((), f"a residual keeps its shape, the body makes {_text(shape)} into {_text(out)}")
        return out

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


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape))
