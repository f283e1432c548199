"""From a tree to a network: an nnx module whose parameters are drawn with NumPy, node by node."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from jnas.library.binding import Shape, bind
from jnas.library.store import Library, construct
from jnas.models.containers import Branches, Layout, Network, Residual
from jnas.trees.node import Node, Path, path_text
from jnas.trees.shapes import Inference, ShapeError
from translators.diagnostics import Refused
from translators.runtime import nn
from translators.runtime.construction import constructing

CLASSIFIER: Path = ("classifier",)  # the head's path; no tree mentions it


class BuildError(Exception):
    """The tree gives no network. `reason` is "refused" (by the runtime), "shape" or "error" (raised by the block)."""

    def __init__(self, path: Path, reason: str, message: str):
        super().__init__(f"{path_text(path) or 'tree'}: {reason}: {message}")
        self.path = path
        self.reason = reason
        self.message = message


def build(
    tree: Node, library: Library, shape: Shape, classes: int, *, seed: int = 0, abstract: bool = False
) -> Network:
    """The network of `tree` for inputs (N, *shape), float32; it returns logits (N, classes). Raises BuildError.

    Parameters depend on the seed and on the path of their node, so that equal nodes at equal places of two trees
    start equal. With `abstract`, parameters have shapes and dtypes only and cost nothing.
    """
    inference = Inference(library)
    try:
        width = inference.out(tree, shape)[0]
    except ShapeError as error:
        raise BuildError(error.path, "shape", error.reason) from error
    builder = _Builder(library, inference, seed, abstract)
    stem, stages = tree.args["stem"], tree.args["stages"]
    with constructing((seed, _path_seed(CLASSIFIER)), abstract):
        classifier = nn.Linear(width, classes)
    return Network(
        builder.module(stem, shape, ("stem",)),
        builder.chain(((item, ("stages", i)) for i, item in enumerate(stages)), inference.out(stem, shape)),
        classifier,
    )


def build_block(
    node: Node, library: Library, shape: Shape, path: Path, *, seed: int = 0, abstract: bool = False
) -> nn.Module:
    """The module of one block at incoming `shape`, with (N, C, H, W) at both ends. Raises BuildError."""
    block = library[node.block]
    contract = block.contract
    size = Inference(library).out(node, shape)[1:]
    try:
        with constructing((seed, _path_seed(path)), abstract):
            module = construct(block, bind(block, node.args, shape))
    except Refused as refused:
        raise BuildError(path, "refused", str(refused)) from refused
    except Exception as error:  # whatever translated code raises: a failing candidate is a result
        raise BuildError(path, "error", f"{node.block}: {type(error).__name__}: {error}") from error
    if contract is None or contract.layout == contract.output_layout == "NCHW":
        return module
    return Layout(module, contract.layout, contract.output_layout, size)


class _Builder:
    def __init__(self, library: Library, inference: Inference, seed: int, abstract: bool):
        self._library, self._inference = library, inference
        self._seed, self._abstract = seed, abstract

    def module(self, node: Node, shape: Shape, path: Path) -> nn.Module:
        if not node.is_container:
            return build_block(node, self._library, shape, path, seed=self._seed, abstract=self._abstract)
        body, place = node.args["body"], (*path, "body")
        if node.block == "repeat":
            return self.chain(((body, (*place, i)) for i in range(node.args["times"])), shape)
        items = [(item, (*place, i)) for i, item in enumerate(body)]
        if node.block == "branches":
            return Branches(*(self.module(item, shape, at) for item, at in items), join=node.args["join"])
        chain = self.chain(iter(items), shape)
        return Residual(chain) if node.block == "residual" else chain

    def chain(self, items: Iterator[tuple[Node, Path]], shape: Shape) -> nn.Module:
        """One after another, each at the shape that the one before leaves."""
        modules = []
        for node, path in items:
            modules.append(self.module(node, shape, path))
            shape = self._inference.out(node, shape)
        return modules[0] if len(modules) == 1 else nn.Sequential(*modules)


def _path_seed(path: Path) -> int:
    return zlib.crc32(path_text(path).encode())
