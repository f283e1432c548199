"""A tree with everything bound: which module, with which arguments, stands where. For building and for writing."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from jnas.library.binding import Shape, bind
from jnas.library.block import Block
from jnas.trees.node import Node, Path, path_text
from jnas.trees.shapes import Inference, ShapeError

CLASSIFIER: Path = ("classifier",)  # the head's path; no tree mentions it


class BuildError(Exception):
    """The tree gives no network. `reason` is "refused" (by the runtime), "shape" or "error" (raised by the block)."""

    def __init__(self, path: Path, reason: str, message: str):
        super().__init__(f"{path_text(path) or 'tree'}: {reason}: {message}")
        self.path = path
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class Placed:
    """One block at its place: constructor arguments, and the size (H, W) of its output."""

    path: Path
    block: Block
    arguments: Mapping[str, Any]
    size: tuple[int, int]

    @property
    def layouts(self) -> tuple[str, str] | None:
        """(incoming, outgoing) layout where the block does not work on (N, C, H, W), which every edge is."""
        contract = self.block.contract
        if contract is None or contract.layout == contract.output_layout == "NCHW":
            return None
        return contract.layout, contract.output_layout


@dataclass(frozen=True)
class Joined:
    """Parts held by a container: "sequence", "residual" (one part), or branches with join "add", "concat", "gate"."""

    kind: str
    parts: tuple[Part, ...]


Part: TypeAlias = Placed | Joined


@dataclass(frozen=True)
class Assembly:
    """A whole network; `width` is that of the last feature map, which the classifier receives."""

    stem: Part
    stages: Part
    width: int


def assemble(tree: Node, library: Mapping[str, Block], shape: Shape) -> Assembly:
    """The network of `tree` for inputs (N, *shape). Raises BuildError."""
    inference = Inference(library)
    try:
        width = inference.out(tree, shape)[0]
    except ShapeError as error:
        raise BuildError(error.path, "shape", error.reason) from error
    stages = ((stage, ("stages", i)) for i, stage in enumerate(tree.args["stages"]))
    stem = tree.args["stem"]
    return Assembly(
        _part(stem, library, inference, shape, ("stem",)),
        _chain(stages, library, inference, inference.out(stem, shape)),
        width,
    )


def place(node: Node, library: Mapping[str, Block], inference: Inference, shape: Shape, path: Path) -> Placed:
    """One block that is known to fit at incoming `shape`."""
    block = library[node.block]
    return Placed(path, block, bind(block, node.args, shape), inference.out(node, shape)[1:])


def path_seed(path: Path) -> int:
    """What a node's parameters are drawn from besides the seed: the same in every process."""
    return zlib.crc32(path_text(path).encode())


def _part(node: Node, library: Mapping[str, Block], inference: Inference, shape: Shape, path: Path) -> Part:
    if not node.is_container:
        return place(node, library, inference, shape, path)
    body, inside = node.args["body"], (*path, "body")
    if node.block == "repeat":
        return _chain(((body, (*inside, i)) for i in range(node.args["times"])), library, inference, shape)
    items = [(item, (*inside, i)) for i, item in enumerate(body)]
    if node.block == "branches":
        parts = tuple(_part(item, library, inference, shape, at) for item, at in items)
        return Joined(node.args["join"], parts)
    chain = _chain(iter(items), library, inference, shape)
    return Joined("residual", (chain,)) if node.block == "residual" else chain


def _chain(
    items: Iterator[tuple[Node, Path]], library: Mapping[str, Block], inference: Inference, shape: Shape
) -> Part:
    """One after another, each at the shape that the one before leaves."""
    parts = []
    for node, path in items:
        parts.append(_part(node, library, inference, shape, path))
        shape = inference.out(node, shape)
    return parts[0] if len(parts) == 1 else Joined("sequence", tuple(parts))
