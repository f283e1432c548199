"""From a tree to a network: an nnx module whose parameters are drawn with NumPy, node by node."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from inspect import Parameter, signature
from typing import Any

from jnas.library import store
from jnas.library.binding import Shape
from jnas.library.block import Block
from jnas.library.exact import Reference
from jnas.library.store import Library, load_reference, runtime_class
from jnas.models import containers
from jnas.models.assembly import CLASSIFIER, BuildError, Inside, Part, Placed, assemble, path_seed
from jnas.models.containers import Branches, Layout, Network, Residual, fitted
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
    assembly = assemble(tree, library, shape, classes)
    head = classifier = None
    if assembly.head is None:
        with constructing((seed, path_seed(CLASSIFIER)), abstract):
            classifier = nn.Linear(assembly.width, classes)
    make = partial(_made, library=library, seed=seed, abstract=abstract)
    if assembly.head is not None:
        head = make(assembly.head)
    return Network(make(assembly.stem), make(assembly.stages), classifier, head)


def build_block(placed: Placed, library: Library, *, seed: int = 0, abstract: bool = False) -> nn.Module:
    """The module of one block, with (N, C, H, W) at both ends. Raises BuildError."""
    try:
        with constructing((seed, path_seed(placed.path)), abstract):
            module = construct(placed.block, placed.arguments, library)
    except Refused as refused:
        raise BuildError(placed.path, "refused", str(refused)) from refused
    except Exception as error:  # whatever translated code raises: a failing candidate is a result
        message = f"{placed.block.name}: {type(error).__name__}: {error}"
        raise BuildError(placed.path, "error", message) from error
    if placed.inside:
        module = fitted(module, **{i.place: _inside(i, library, seed, abstract) for i in placed.inside})
    return module if placed.layouts is None else Layout(module, *placed.layouts, placed.size)


def construct(block: Block, arguments: Mapping[str, Any], library: Library) -> Any:
    """What `block` makes of arguments, which may be values of a tree: nodes are made, references looked up."""
    values = {name: _value(value, library) for name, value in arguments.items()}
    make = store.load_class(block)
    variadic = next((p.name for p in parameters_of(make) if p.kind == p.VAR_POSITIONAL), None)
    return make(*values.pop(variadic, ()), **values) if variadic else make(**values)


def parameters_of(make: Any) -> list[Parameter]:
    """The parameters of a function, or of the constructor of a class."""
    found = signature(make.__init__ if isinstance(make, type) else make).parameters  # type: ignore[misc]
    return list(found.values())[isinstance(make, type) :]


def _value(value: Any, library: Library) -> Any:
    if isinstance(value, Node):
        return construct(library[value.block], value.args, library)
    if isinstance(value, Reference):
        args = {name: _value(arg, library) for name, arg in value.args.items()}
        found = load_reference(value.name, library)
        return partial(found, **args) if args else found
    if isinstance(value, tuple):
        return tuple(_value(item, library) for item in value)
    return runtime_class(value)


def _inside(inside: Inside, library: Library, seed: int, abstract: bool) -> Any:
    made = [
        containers.Inside(_made(part, library, seed, abstract), *layouts, size) for part, layouts, size in inside.parts
    ]
    return made if inside.many else made[0]


def _made(part: Part, library: Library, seed: int, abstract: bool) -> nn.Module:
    if isinstance(part, Placed):
        return build_block(part, library, seed=seed, abstract=abstract)
    modules = [_made(inner, library, seed, abstract) for inner in part.parts]
    if part.kind == "sequence":
        return nn.Sequential(*modules)
    return Residual(*modules) if part.kind == "residual" else Branches(*modules, join=part.kind)
