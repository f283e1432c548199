"""A tree with everything bound: which module, with which arguments, stands where. For building and for writing."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from jnas.library.binding import Shape, bind, contract_of
from jnas.library.block import Block
from jnas.library.exact import CLASSES, bind_exact
from jnas.trees.node import AT, Node, Path, path_text
from jnas.trees.shapes import Inference, ShapeError, inference_of

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
    """One block at its place: constructor arguments (values of a tree), the size (H, W) of its output, and what stands
    inside it instead of what its constructor makes. `layouts` is (incoming, outgoing) where the block does not work on
    (N, C, H, W), which every edge is."""

    path: Path
    block: Block
    arguments: Mapping[str, Any]
    size: tuple[int, int]
    layouts: tuple[str, str] | None = None
    inside: tuple[Inside, ...] = ()


@dataclass(frozen=True)
class Inside:
    """Parts at the attribute path `place` of a block: one, or the members of a list.

    For each the layouts (incoming, outgoing) in which the block hands arrays over, and the size (H, W) that comes in.
    """

    place: str
    many: bool
    parts: tuple[tuple[Part, tuple[str, str], tuple[int, int]], ...]


@dataclass(frozen=True)
class Joined:
    """Parts held by a container: "sequence", "residual" (one part), or branches with join "add", "concat", "gate"."""

    kind: str
    parts: tuple[Part, ...]


Part: TypeAlias = Placed | Joined


@dataclass(frozen=True)
class Assembly:
    """A whole network; `width` is that of the last feature map, which the classifier receives where no head is."""

    stem: Part
    stages: Part
    head: Part | None
    width: int

    @property
    def parts(self) -> tuple[Part, ...]:
        return tuple(part for part in (self.stem, self.stages, self.head) if part is not None)


def assemble(tree: Node, library: Mapping[str, Block], shape: Shape, classes: int = CLASSES) -> Assembly:
    """The network of `tree` for inputs (N, *shape). Raises BuildError."""
    inference = inference_of(library)
    try:
        width = inference.out(tree, shape)[0]
    except ShapeError as error:
        raise BuildError(error.path, "shape", error.reason) from error
    stem, stages, head = tree.args.get("stem"), tree.args["stages"], tree.args.get("head")
    before = shape if stem is None else inference.out(stem, shape)
    after = inference.out(tree, shape)
    return Assembly(
        _chain(iter([] if stem is None else [(stem, ("stem",))]), library, inference, shape),
        _chain(((stage, ("stages", i)) for i, stage in enumerate(stages)), library, inference, before),
        None if head is None else _part(head, library, inference, after, ("head",), classes),
        width,
    )


def place(
    node: Node,
    library: Mapping[str, Block],
    inference: Inference,
    shape: Shape,
    path: Path,
    classes: int = CLASSES,
) -> Placed:
    """One block that is known to fit at incoming `shape`."""
    block = library[node.block]
    if node.exact is not None:
        layouts, arguments = node.exact, bind_exact(node.args, shape, classes)
    else:
        contract = contract_of(block)
        layouts, arguments = (contract.layout, contract.output_layout), bind(block, node.args, shape)
    slots = inference.slots(node, shape) if node.at else {}
    inside = []
    for name, value in node.at.items():
        many, slot = isinstance(value, tuple), slots[name]
        items = [((*path, AT, name, i), v) for i, v in enumerate(value)] if many else [((*path, AT, name), value)]
        before, parts = slot.before, []
        for number, (at, item) in enumerate(items, 1):
            part = _part(item, library, inference, before, at, classes)
            after = slot.output_layout if number == len(items) else slot.layout
            parts.append((part, (slot.layout, after), before[1:]))
            before = inference.out(item, before)
        inside.append(Inside(name, many, tuple(parts)))
    plain = layouts == ("NCHW", "NCHW")
    size = inference.out(node, shape)[1:]
    return Placed(path, block, arguments, size, None if plain else layouts, tuple(inside))


def path_seed(path: Path) -> int:
    """What a node's parameters are drawn from besides the seed: the same in every process."""
    return zlib.crc32(path_text(path).encode())


def _part(
    node: Node,
    library: Mapping[str, Block],
    inference: Inference,
    shape: Shape,
    path: Path,
    classes: int = CLASSES,
) -> Part:
    if not node.is_container:
        return place(node, library, inference, shape, path, classes)
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
