"""What can be set at a place of a tree, and values that may fit there; whether they do is another question. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jnas.library.binding import Shape, bind, bound_names
from jnas.library.block import Block
from jnas.library.declarations import ACTIVATIONS
from jnas.library.exact import Bound
from jnas.trees.node import JOINS, Node, Path, Value, get, path_text, walk
from jnas.trees.shapes import Inference

TIMES = (1, 2, 3, 4, 5, 6, 7, 8)
# Decisions that are no arguments of a block; no block can have arguments of these names.
SCALE = "width scale"  # of a container: what all widths in it are multiplied by
FACTORS = (0.5, 0.75, 1.25, 1.5, 2.0)
SOURCE = "down-sampling from"  # the place that gives its stride to this one
WIDTHS = ("input width", "output width")

Domain = tuple[str, str, Value, tuple[Value, ...]]  # (decision, role, value in force, values)


def domains(
    tree: Node, path: Path, shapes: Mapping[Path, tuple[Shape, Shape]], inference: Inference
) -> Iterator[Domain]:
    """The decisions at `path`. Widths of a node that says all of its arguments are not offered."""
    node, library = get(tree, path), inference.library
    if node.is_container:
        if node.block == "repeat":
            yield "times", "depth", node.args["times"], TIMES
        elif node.block == "branches":
            yield "join", "join", node.args["join"], JOINS
        yield SCALE, "width", 1.0, FACTORS
        return
    block, shape = library[node.block], shapes[path][0]
    yield from _variants(node, library)
    if node.exact:
        yield from _stated(node, block)
        return
    bound = bind(block, node.args, shape)
    parameters = {parameter.name: parameter for parameter in block.parameters}
    for name, values in inference.choices(node.block, shape).items():
        if not isinstance(node.args.get(name), Node):
            yield name, parameters[name].role, bound.get(name, parameters[name].default), values
    if block.contract is not None and bound.get(str(block.contract.stride)) == 1:
        yield SOURCE, "stride", None, tuple(path_text(place) for place in _strided(tree, library) if place != path)


def _stated(node: Node, block: Block) -> Iterator[Domain]:
    """Arguments of a node that says all of them, where its block has a contract."""
    taken = bound_names(block) if block.contract is not None else frozenset()
    for parameter in block.parameters if block.contract is not None else ():
        current = node.args.get(parameter.name, parameter.default)
        fixed = parameter.name in taken or parameter.role in WIDTHS or isinstance(current, (Bound, Node))
        if parameter.domain and not fixed:
            yield parameter.name, parameter.role, current, parameter.domain


def _variants(node: Node, library: Mapping[str, Block]) -> Iterator[Domain]:
    """Arguments that are modules, or lists of them, with one module changed."""
    changed: tuple[Any, ...]
    for name, value in node.args.items():
        if isinstance(value, Node):
            changed = tuple(_changed(value, library))
        elif isinstance(value, tuple):
            parts = [(i, part) for i, part in enumerate(value) if isinstance(part, Node)]
            changed = tuple((*value[:i], new, *value[i + 1 :]) for i, part in parts for new in _changed(part, library))
        else:
            continue
        if changed:
            yield name, "module", value, changed


def _changed(module: Node, library: Mapping[str, Block]) -> Iterator[Node]:
    """The module with another setting, and other activations in place of one."""
    block = library[module.block]
    for name, _, current, values in _stated(module, block):
        yield from (module.with_args(**{name: value}) for value in values if value != current)
    if module.block in ACTIVATIONS and not module.args:
        yield from (Node(name, exact=module.exact) for name in ACTIVATIONS if name != module.block)


def _strided(tree: Node, library: Mapping[str, Block]) -> Iterator[Path]:
    for path, node in walk(tree):
        contract = None if node.is_container or node.exact else library[node.block].contract
        if contract is not None and node.args.get(str(contract.stride), 1) != 1:
            yield path
