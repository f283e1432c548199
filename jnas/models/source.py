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
from jnas.library.store import OWN_PREFIX, Library
from jnas.models.assembly import CLASSIFIER, Assembly, Joined, Part, Placed, assemble
from jnas.trees.node import Node, path_text, tree_hash
from translators.linking import Linked, link

OWN_MODULES = ("jnas/library/primitives.py", "jnas/models/containers.py")
PRIMITIVES, CONTAINERS = "jnas.library.primitives", "jnas.models.containers"
USED_BY_BUILD = ("at", "build", "constructing", "kind", "place", "seed", "zlib")
BUILD_IMPORTS = (
    "import zlib",
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

    def at(place: str, kind: type, **arguments: object) -> nn.Module:
        with constructing((seed, zlib.crc32(place.encode()))):
            return kind(**arguments)

    return {expression}
'''


def export_flax(tree: Node, library: Library, shape: Shape, classes: int) -> str:
    """Source of one module with the blocks of `tree`, all that they use, and `build(seed=0)`. Raises BuildError.

    Nothing of it is imported or executed here.
    """
    assembly = assemble(tree, library, shape)
    placed = [part for root in (assembly.stem, assembly.stages) for part in _placed(root)]
    blocks = {part.block.name: part.block for part in placed}
    classes_used = {name: _class_name(block) for name, block in blocks.items()}
    containers = [f"{CONTAINERS}.{name}" for name in _containers(assembly)]
    linked = link(_modules(blocks.values()), [*containers, *classes_used.values()], reserved=USED_BY_BUILD)
    called = {name: linked.names[qualified] for name, qualified in classes_used.items()}
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
    return f"{head}\n{_imports(linked)}\n\n\n{linked.definitions}\n\n\n{build}"


def _class_name(block: Block) -> str:
    return block.name if block.mined else f"{PRIMITIVES}.{block.name.removeprefix(OWN_PREFIX)}"


def _modules(blocks: Any) -> dict[str, str]:
    """Path -> text of our own blocks and containers and of every emitted module that lies beside a used block."""
    root = Path(jnas.__file__).parent.parent
    modules = {path: (root / path).read_text(encoding="utf-8") for path in OWN_MODULES}
    for folder in sorted({block.folder for block in blocks if block.mined}):
        for path in sorted(Path(folder).rglob("*.py")):
            modules[path.relative_to(folder).as_posix()] = path.read_text(encoding="utf-8")
    return modules


def _imports(linked: Linked) -> str:
    groups: list[list[str]] = [[], [], []]
    for line in sorted({*BUILD_IMPORTS, *linked.imports}, key=lambda line: (line.startswith("from"), line)):
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
    else:
        for inner in part.parts:
            yield from _placed(inner)


def _containers(assembly: Assembly) -> list[str]:
    found = {"Network"}

    def visit(part: Part) -> None:
        if isinstance(part, Placed):
            found.update(["Layout"] if part.layouts else [])
        else:
            found.update({"sequence": [], "residual": ["Residual"]}.get(part.kind, ["Branches"]))
            for inner in part.parts:
                visit(inner)

    visit(assembly.stem)
    visit(assembly.stages)
    return sorted(found, key=lambda name: (name != "Network", name))


def _network(assembly: Assembly, classes: int, called: Mapping[str, str]) -> str:
    classifier = f"{_value(path_text(CLASSIFIER))}, nn.Linear, in_features={assembly.width}, out_features={classes}"
    arguments = [
        "stem=" + _expression(assembly.stem, called, 2),
        "stages=" + _expression(assembly.stages, called, 2),
        f"classifier=at({classifier})",
    ]
    return _call(called["Network"], arguments, 1)


def _expression(part: Part, called: Mapping[str, str], depth: int) -> str:
    if isinstance(part, Joined):
        arguments = [_expression(inner, called, depth + 1) for inner in part.parts]
        if part.kind == "sequence":
            return _call("nn.Sequential", arguments, depth)
        if part.kind == "residual":
            return _call(called["Residual"], arguments, depth)
        return _call(called["Branches"], [*arguments, f"join={_value(part.kind)}"], depth)
    order = [parameter.name for parameter in part.block.parameters]
    arguments = [_value(path_text(part.path)), called[part.block.name]]
    arguments += [f"{name}={_value(part.arguments[name])}" for name in sorted(part.arguments, key=order.index)]
    if part.layouts is None:
        return _call("at", arguments, depth)
    layout = [_call("at", arguments, depth + 1), *map(_value, part.layouts), _value(part.size)]
    return _call(called["Layout"], layout, depth)


def _call(function: str, arguments: Sequence[str], depth: int) -> str:
    """A call on one line where it fits and nothing in it is broken, else one line per argument."""
    line = f"{function}({', '.join(arguments)})"
    if "\n" not in line and len(line) + 4 * depth + len("classifier=,") <= LINE:
        return line
    inner = "".join(f"{'    ' * (depth + 1)}{argument},\n" for argument in arguments)
    return f"{function}(\n{inner}{'    ' * depth})"


def _value(value: Any) -> str:
    """Names of runtime classes ("nn.GELU") stand for the classes, as in the library."""
    if isinstance(value, str):
        return value if value.startswith("nn.") else json.dumps(value)
    return repr(value)
