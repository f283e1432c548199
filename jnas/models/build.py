"""From a tree to a network: an nnx module whose parameters are drawn with NumPy, node by node."""

from __future__ import annotations

from jnas.library.binding import Shape
from jnas.library.store import Library, construct
from jnas.models.assembly import CLASSIFIER, BuildError, Part, Placed, assemble, path_seed
from jnas.models.containers import Branches, Layout, Network, Residual
from jnas.trees.node import Node
from translators.diagnostics import Refused
from translators.runtime import nn
from translators.runtime.construction import constructing

__all__ = ["BuildError", "build", "build_block"]


def build(
    tree: Node, library: Library, shape: Shape, classes: int, *, seed: int = 0, abstract: bool = False
) -> Network:
    """The network of `tree` for inputs (N, *shape), float32; it returns logits (N, classes). Raises BuildError.

    Parameters depend on the seed and on the path of their node, so that equal nodes at equal places of two trees
    start equal. With `abstract`, parameters have shapes and dtypes only and cost nothing.
    """
    assembly = assemble(tree, library, shape)
    with constructing((seed, path_seed(CLASSIFIER)), abstract):
        classifier = nn.Linear(assembly.width, classes)
    return Network(_made(assembly.stem, seed, abstract), _made(assembly.stages, seed, abstract), classifier)


def build_block(placed: Placed, *, seed: int = 0, abstract: bool = False) -> nn.Module:
    """The module of one block, with (N, C, H, W) at both ends. Raises BuildError."""
    try:
        with constructing((seed, path_seed(placed.path)), abstract):
            module = construct(placed.block, placed.arguments)
    except Refused as refused:
        raise BuildError(placed.path, "refused", str(refused)) from refused
    except Exception as error:  # whatever translated code raises: a failing candidate is a result
        message = f"{placed.block.name}: {type(error).__name__}: {error}"
        raise BuildError(placed.path, "error", message) from error
    return module if placed.layouts is None else Layout(module, *placed.layouts, placed.size)


def _made(part: Part, seed: int, abstract: bool) -> nn.Module:
    if isinstance(part, Placed):
        return build_block(part, seed=seed, abstract=abstract)
    modules = [_made(inner, seed, abstract) for inner in part.parts]
    if part.kind == "sequence":
        return nn.Sequential(*modules)
    return Residual(*modules) if part.kind == "residual" else Branches(*modules, join=part.kind)
