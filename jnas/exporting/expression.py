"""A tree as the expression that builds its network, and the definitions that the expression needs.

The expression is the same in Flax and in PyTorch; only the definitions differ.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jnas.library.binding import Shape
from jnas.library.block import Block
from jnas.library.exact import Reference
from jnas.library.layers import LAYERS, PREFIX
from jnas.library.store import OWN_PREFIX, Library
from jnas.models.assembly import CLASSIFIER, Assembly, Joined, Part, Placed, assemble
from jnas.trees.node import Node, path_text
from translators.spelling import is_spelled

PRIMITIVES, CONTAINERS = "jnas.library.primitives", "jnas.models.containers"
UNNAMED = {"nn.Sequential": "args"}  # layers whose constructor takes any number of arguments
LINE = 120
_LAYER = re.compile(r"\bnn\.(\w+)")


@dataclass(frozen=True)
class Design:
    """A tree for images of `shape` with everything bound, and the blocks that stand in it (layers left out)."""

    tree: Node
    library: Library
    shape: Shape
    classes: int
    assembly: Assembly
    blocks: tuple[Block, ...]
    names: tuple[str, ...]  # of blocks, classes and functions of mined source, layers, containers of ours

    @property
    def mined(self) -> tuple[Block, ...]:
        return tuple(block for block in self.blocks if block.mined)

    @property
    def count(self) -> int:
        """How many blocks the network consists of, repeated ones counted each time."""
        return sum(1 for root in self.assembly.parts for _ in _placed(root))

    def qualified(self) -> dict[str, str]:
        """Every name that is no layer -> where its definition stands."""
        return {name: self._where(name) for name in self.names if not name.startswith(PREFIX)}

    def _where(self, name: str) -> str:
        if name in _CONTAINER_NAMES:
            return f"{CONTAINERS}.{name}"
        own = name in self.library and not self.library[name].mined
        return f"{PRIMITIVES}.{name.removeprefix(OWN_PREFIX)}" if own else name

    def layers(self) -> tuple[str, ...]:
        """Layers by their names in `nn`."""
        return tuple(name.removeprefix(PREFIX) for name in self.names if name.startswith(PREFIX))


_CONTAINER_NAMES = ("Network", "Residual", "Branches", "Layout", "Inside", "fitted")


def design(tree: Node, library: Library, shape: Shape, classes: int) -> Design:
    """`tree` with everything bound. Raises BuildError."""
    assembly = assemble(tree, library, shape, classes)
    named = dict.fromkeys(name for root in assembly.parts for part in _placed(root) for name in _named(part))
    blocks = tuple(library[name] for name in named if name in library and name not in LAYERS)
    layers = ["nn.Sequential"] * _has_sequence(assembly) + ["nn.Linear"] * (assembly.head is None)
    return Design(tree, library, shape, classes, assembly, blocks, (*_containers(assembly), *layers, *named))


def _named(part: Placed) -> Iterator[str]:
    """Blocks, classes, functions and layers that the construction of one part names."""
    yield part.block.name
    for value in part.arguments.values():
        yield from _names_in(value)


def _names_in(value: Any) -> Iterator[str]:
    if is_spelled(value):
        yield from (f"{PREFIX}{name}" for name in _LAYER.findall(value))
    elif isinstance(value, tuple):
        for item in value:
            yield from _names_in(item)
    elif isinstance(value, (Node, Reference)):
        yield value.block if isinstance(value, Node) else value.name
        for item in value.args.values():
            yield from _names_in(item)


def _inner(part: Part) -> Iterator[Part]:
    if isinstance(part, Placed):
        yield from (inner for inside in part.inside for inner, _, _ in inside.parts)
    else:
        yield from part.parts


def _parts(part: Part) -> Iterator[Part]:
    yield part
    for inner in _inner(part):
        yield from _parts(inner)


def _placed(part: Part) -> Iterator[Placed]:
    yield from (inner for inner in _parts(part) if isinstance(inner, Placed))


def _has_sequence(assembly: Assembly) -> bool:
    joined = (part for root in assembly.parts for part in _parts(root) if isinstance(part, Joined))
    return any(part.kind == "sequence" for part in joined)


def _containers(assembly: Assembly) -> list[str]:
    found = {"Network"}
    for part in (part for root in assembly.parts for part in _parts(root)):
        if isinstance(part, Placed):
            found.update(["Layout"] if part.layouts else [])
            found.update(["Inside", "fitted"] if part.inside else [])
        else:
            found.update({"sequence": [], "residual": ["Residual"]}.get(part.kind, ["Branches"]))
    return [name for name in _CONTAINER_NAMES if name in found]


@dataclass(frozen=True)
class Writer:
    """Writes the expression. `called` says what each name is called in the file; layers that it lacks keep `nn.X`.

    `seeded`: every block is made by `at(PLACE, block, ...)`, which draws its parameters from its place.
    """

    called: Mapping[str, str]
    seeded: bool

    def network(self, design: Design) -> str:
        assembly = design.assembly
        arguments = [f"stem={self._part(assembly.stem, 2)}", f"stages={self._part(assembly.stages, 2)}"]
        if assembly.head is None:
            ends = [f"in_features={assembly.width}", f"out_features={design.classes}"]
            arguments.append(f"classifier={self._make(path_text(CLASSIFIER), self._name('nn.Linear'), ends, 2)}")
        else:
            arguments.append(f"head={self._part(assembly.head, 2)}")
        return _call(self._name("Network"), arguments, 1)

    def _name(self, name: str) -> str:
        return self.called.get(name, name)

    def _part(self, part: Part, depth: int) -> str:
        if isinstance(part, Joined):
            arguments = [self._part(inner, depth + 1) for inner in part.parts]
            if part.kind == "sequence":
                return _call(self._name("nn.Sequential"), arguments, depth)
            if part.kind == "residual":
                return _call(self._name("Residual"), arguments, depth)
            return _call(self._name("Branches"), [*arguments, f"join={json.dumps(part.kind)}"], depth)
        depth += part.layouts is not None
        made = self._fitted(part, depth) if part.inside else self._made(part, depth)
        if part.layouts is None:
            return made
        return _call(self._name("Layout"), [made, *map(json.dumps, part.layouts), repr(part.size)], depth - 1)

    def _made(self, part: Placed, depth: int) -> str:
        order = [parameter.name for parameter in part.block.parameters]
        names = sorted(part.arguments, key=lambda name: (order.index(name) if name in order else len(order), name))
        unnamed = UNNAMED.get(part.block.name)  # what it holds has no argument's name
        held = [self.value(item) for item in part.arguments.get(unnamed or "", ())]
        named = [f"{name}={self.value(part.arguments[name])}" for name in names if name != unnamed]
        return self._make(path_text(part.path), self._name(part.block.name), [*held, *named], depth)

    def _make(self, place: str, kind: str, arguments: Sequence[str], depth: int) -> str:
        return (
            _call("at", [json.dumps(place), kind, *arguments], depth) if self.seeded else _call(kind, arguments, depth)
        )

    def _fitted(self, part: Placed, depth: int) -> str:
        """The block with what stands inside it."""
        pairs = []
        for inside in part.inside:
            below = depth + 2 + inside.many
            items = [
                _call(
                    self._name("Inside"),
                    [self._part(inner, below + 1), *map(json.dumps, layouts), repr(size)],
                    below,
                )
                for inner, layouts, size in inside.parts
            ]
            value = _bracket("[", items, "]", depth + 2) if inside.many else items[0]
            pairs.append(f"{json.dumps(inside.place)}: {value}")
        places = "**" + _bracket("{", pairs, "}", depth + 1)
        return _call(self._name("fitted"), [self._made(part, depth + 1), places], depth)

    def value(self, value: Any) -> str:
        """An argument; names of layers ("nn.GELU") stand for the classes, as in the library."""
        if is_spelled(value):
            return _LAYER.sub(lambda found: self._name(found.group()), value)
        if isinstance(value, str):
            return json.dumps(value)
        if isinstance(value, tuple):
            items = [self.value(item) for item in value]
            return f"({', '.join(items)}{',' * (len(items) == 1)})"
        if isinstance(value, (Node, Reference)):
            name = value.block if isinstance(value, Node) else value.name
            held = value.args.get(UNNAMED.get(name, ""), ())
            arguments = [self.value(item) for item in held]
            arguments += [f"{k}={self.value(v)}" for k, v in value.args.items() if k != UNNAMED.get(name)]
            if isinstance(value, Node):
                return f"{self._name(name)}({', '.join(arguments)})"
            called = self._name(name)
            return f"functools.partial({', '.join([called, *arguments])})" if arguments else called
        return repr(value)


def _call(function: str, arguments: Sequence[str], depth: int) -> str:
    """A call on one line where it fits and nothing in it is broken, else one line per argument."""
    return function + _bracket("(", arguments, ")", depth, len(function))


def _bracket(opening: str, items: Sequence[str], closing: str, depth: int, before: int = 0) -> str:
    line = f"{opening}{', '.join(items)}{closing}"
    if "\n" not in line and before + len(line) + 4 * depth + len("classifier=,") <= LINE:
        return line
    inner = "".join(f"{'    ' * (depth + 1)}{item},\n" for item in items)
    return f"{opening}\n{inner}{'    ' * depth}{closing}"
