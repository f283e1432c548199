"""A tree written as one standalone Flax file: the blocks, all that they use, and a function that builds the network."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jnas
from jnas.library.binding import Shape
from jnas.library.block import Block
from jnas.library.exact import Reference
from jnas.library.layers import LAYERS
from jnas.library.store import OWN_PREFIX, Library
from jnas.models.assembly import CLASSIFIER, Assembly, Joined, Part, Placed, assemble
from jnas.trees.node import Node, path_text, tree_hash
from translators.linking import Linked, link
from translators.spelling import is_spelled

OWN_MODULES = ("jnas/library/primitives.py", "jnas/models/containers.py")
PRIMITIVES, CONTAINERS = "jnas.library.primitives", "jnas.models.containers"
USED_BY_BUILD = ("at", "build", "constructing", "functools", "kind", "parts", "place", "seed", "zlib", "Callable")
UNNAMED = {"nn.Sequential": "args"}  # layers whose constructor takes any number of arguments
BUILD_IMPORTS = (
    "import zlib",
    "from collections.abc import Callable",
    "from translators.runtime import nn",
    "from translators.runtime.construction import constructing",
)
LINE = 120

HEAD = '''"""A network of {count} blocks: images (N, {shape}) -> logits (N, {classes}), float32.

Written by jnas {version} from tree {hash}. Needs jax, flax, numpy and translators.runtime only:

    model = build()
    translators.runtime.state.load_state_dict(model, weights)  # {{name: array}}, as jnas saves them
    logits = model.eval()(images)

{origins}
"""
'''

BUILD = '''def build(seed: int = 0) -> {network}:
    """The network with parameters drawn from `seed`, as in the search."""

    def at(place: str, kind: Callable[..., nn.Module], *parts: object, **arguments: object) -> nn.Module:
        with constructing((seed, zlib.crc32(place.encode()))):
            return kind(*parts, **arguments)

    return {expression}
'''


def export_flax(tree: Node, library: Library, shape: Shape, classes: int) -> str:
    """Source of one module with the blocks of `tree`, all that they use, and `build(seed=0)`. Raises BuildError.

    Nothing of it is imported or executed here.
    """
    assembly = assemble(tree, library, shape, classes)
    placed = [part for root in assembly.parts for part in _placed(root)]
    names = dict.fromkeys(name for part in placed for name in _named(part))
    blocks = {name: library[name] for name in names if name in library and name not in LAYERS}
    classes_used = {name: _class_name(name, library) for name in names if name not in LAYERS}
    containers = [f"{CONTAINERS}.{name}" for name in _containers(assembly)]
    linked = link(_modules(blocks.values()), [*containers, *classes_used.values()], reserved=USED_BY_BUILD)
    called = {name: name for name in names if name in LAYERS}
    called |= {name: linked.names[qualified] for name, qualified in classes_used.items()}
    called |= {name.rpartition(".")[2]: linked.names[name] for name in containers}
    head = HEAD.format(
        count=len(placed),
        shape=", ".join(map(str, shape)),
        classes=classes,
        version=jnas.__version__,
        hash=tree_hash(tree, library)[:16],
        origins="\n".join(_origins(blocks.values())),
    )
    build = BUILD.format(network=called["Network"], expression=_network(assembly, classes, called))
    more = ["import functools"] if "functools." in build else []
    return f"{head}\n{_imports(linked, more)}\n\n\n{linked.definitions}\n\n\n{build}"


def _named(part: Placed) -> Iterator[str]:
    """Blocks, classes and functions that the construction of one part names."""
    yield part.block.name
    for value in part.arguments.values():
        yield from _names_in(value)


def _names_in(value: Any) -> Iterator[str]:
    if isinstance(value, tuple):
        for item in value:
            yield from _names_in(item)
    elif isinstance(value, (Node, Reference)):
        yield value.block if isinstance(value, Node) else value.name
        for item in value.args.values():
            yield from _names_in(item)


def _class_name(name: str, library: Mapping[str, Block]) -> str:
    own = name in library and not library[name].mined
    return f"{PRIMITIVES}.{name.removeprefix(OWN_PREFIX)}" if own else name


def _modules(blocks: Any) -> dict[str, str]:
    """Path -> text of our own blocks and containers and of every emitted module that lies beside a used block."""
    root = Path(jnas.__file__).parent.parent
    modules = {path: (root / path).read_text(encoding="utf-8") for path in OWN_MODULES}
    for folder in sorted({block.folder for block in blocks if block.mined}):
        for path in sorted(Path(folder).rglob("*.py")):
            modules[path.relative_to(folder).as_posix()] = path.read_text(encoding="utf-8")
    return modules


def _imports(linked: Linked, more: Sequence[str]) -> str:
    groups: list[list[str]] = [[], [], []]
    for line in sorted({*BUILD_IMPORTS, *more, *linked.imports}, key=lambda line: (line.startswith("from"), line)):
        package = line.split()[1].split(".")[0]
        groups[2 if package == "translators" else 0 if package in sys.stdlib_module_names else 1].append(line)
    return "\n\n".join("\n".join(group) for group in (["from __future__ import annotations"], *groups) if group)


def _origins(blocks: Any) -> Iterator[str]:
    """Where each block comes from, under which licence."""
    yield "Blocks:"
    for block in sorted(blocks, key=lambda block: block.name):
        known = [
            str(block.provenance[key]) for key in ("package", "version", "path", "licence") if block.provenance.get(key)
        ]
        origin = ", ".join(known) if block.mined else f"jnas {jnas.__version__}"
        yield f"* {_plain(block.name)}: {_plain(origin)}"


def _plain(text: str) -> str:
    return "".join(c for c in text if c.isascii() and c.isprintable() and c not in '\\"')


# The expression that builds the network


def _placed(part: Part) -> Iterator[Placed]:
    if isinstance(part, Placed):
        yield part
        for inside in part.inside:
            for inner, _, _ in inside.parts:
                yield from _placed(inner)
    else:
        for inner in part.parts:
            yield from _placed(inner)


def _containers(assembly: Assembly) -> list[str]:
    found = {"Network"}

    def visit(part: Part) -> None:
        if isinstance(part, Placed):
            found.update(["Layout"] if part.layouts else [])
            found.update(["Inside", "fitted"] if part.inside else [])
            for inside in part.inside:
                for inner, _, _ in inside.parts:
                    visit(inner)
        else:
            found.update({"sequence": [], "residual": ["Residual"]}.get(part.kind, ["Branches"]))
            for inner in part.parts:
                visit(inner)

    for part in assembly.parts:
        visit(part)
    return sorted(found, key=lambda name: (name != "Network", name))


def _network(assembly: Assembly, classes: int, called: Mapping[str, str]) -> str:
    classifier = f"{json.dumps(path_text(CLASSIFIER))}, nn.Linear, in_features={assembly.width}, out_features={classes}"
    arguments = ["stem=" + _expression(assembly.stem, called, 2), "stages=" + _expression(assembly.stages, called, 2)]
    if assembly.head is None:
        arguments.append(f"classifier=at({classifier})")
    else:
        arguments.append("head=" + _expression(assembly.head, called, 2))
    return _call(called["Network"], arguments, 1)


def _expression(part: Part, called: Mapping[str, str], depth: int) -> str:
    if isinstance(part, Joined):
        arguments = [_expression(inner, called, depth + 1) for inner in part.parts]
        if part.kind == "sequence":
            return _call("nn.Sequential", arguments, depth)
        if part.kind == "residual":
            return _call(called["Residual"], arguments, depth)
        return _call(called["Branches"], [*arguments, f"join={json.dumps(part.kind)}"], depth)
    depth += part.layouts is not None
    made = _fitted(part, called, depth) if part.inside else _made(part, called, depth)
    if part.layouts is None:
        return made
    return _call(called["Layout"], [made, *map(json.dumps, part.layouts), repr(part.size)], depth - 1)


def _made(part: Placed, called: Mapping[str, str], depth: int) -> str:
    order = [parameter.name for parameter in part.block.parameters]
    names = sorted(part.arguments, key=lambda name: (order.index(name) if name in order else len(order), name))
    arguments = [json.dumps(path_text(part.path)), called[part.block.name]]
    values = {name: _value(part.arguments[name], called) for name in names}
    if part.block.name in UNNAMED:  # what it holds has no argument's name
        held = [_value(item, called) for item in part.arguments.get(UNNAMED[part.block.name], ())]
        return _call("at", [*arguments, *held], depth)
    return _call("at", [*arguments, *(f"{name}={value}" for name, value in values.items())], depth)


def _fitted(part: Placed, called: Mapping[str, str], depth: int) -> str:
    """The block with what stands inside it."""
    pairs = []
    for inside in part.inside:
        below = depth + 2 + inside.many
        items = [
            _call(
                called["Inside"],
                [_expression(inner, called, below + 1), *map(json.dumps, layouts), repr(size)],
                below,
            )
            for inner, layouts, size in inside.parts
        ]
        value = _bracket("[", items, "]", depth + 2) if inside.many else items[0]
        pairs.append(f"{json.dumps(inside.place)}: {value}")
    places = "**" + _bracket("{", pairs, "}", depth + 1)
    return _call(called["fitted"], [_made(part, called, depth + 1), places], depth)


def _call(function: str, arguments: Sequence[str], depth: int) -> str:
    """A call on one line where it fits and nothing in it is broken, else one line per argument."""
    return function + _bracket("(", arguments, ")", depth, len(function))


def _bracket(opening: str, items: Sequence[str], closing: str, depth: int, before: int = 0) -> str:
    line = f"{opening}{', '.join(items)}{closing}"
    if "\n" not in line and before + len(line) + 4 * depth + len("classifier=,") <= LINE:
        return line
    inner = "".join(f"{'    ' * (depth + 1)}{item},\n" for item in items)
    return f"{opening}\n{inner}{'    ' * depth}{closing}"


def _value(value: Any, called: Mapping[str, str]) -> str:
    """Names of runtime classes ("nn.GELU") stand for the classes, as in the library."""
    if isinstance(value, str):
        return value if is_spelled(value) else json.dumps(value)
    if isinstance(value, tuple):
        items = [_value(item, called) for item in value]
        return f"({', '.join(items)}{',' * (len(items) == 1)})"
    if isinstance(value, (Node, Reference)):
        name = value.block if isinstance(value, Node) else value.name
        held = value.args.get(UNNAMED.get(name, ""), ())
        arguments = [_value(item, called) for item in held]
        arguments += [f"{k}={_value(v, called)}" for k, v in value.args.items() if k != UNNAMED.get(name)]
        if isinstance(value, Node):
            return f"{called[name]}({', '.join(arguments)})"
        return f"functools.partial({', '.join([called[name], *arguments])})" if arguments else called[name]
    return repr(value)
