"""What every exported file has: a head that says where its code comes from, and sorted imports."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import jnas
from jnas.exporting.expression import Design
from jnas.library.block import Block
from jnas.trees.node import tree_hash

READER_MODULE = "jnas/exporting/safetensors.py"
READER = "jnas.exporting.safetensors.read"
OWN_MODULES = ("jnas/library/primitives.py", "jnas/models/containers.py", READER_MODULE)

_HEAD = '''"""A network of {count} blocks: images (N, {shape}) -> logits (N, {classes}), float32.

Written by jnas {version} from tree {hash}. Needs {needs} only:

    from model import build

    model = build("weights.safetensors")
    logits = model(images)

{origins}
"""
'''


@dataclass(frozen=True)
class File:
    """The text of an exported file, and the modules that its definitions are from."""

    text: str
    modules: tuple[str, ...]


def own_text(path: str) -> str:
    """The text of a module of ours."""
    return (Path(jnas.__file__).parent.parent / path).read_text(encoding="utf-8")


def header(plan: Design, needs: str) -> str:
    """The docstring of a file."""
    return _HEAD.format(
        count=plan.count,
        shape=", ".join(map(str, plan.shape)),
        classes=plan.classes,
        version=jnas.__version__,
        hash=tree_hash(plan.tree, plan.library)[:16],
        needs=needs,
        origins="\n".join(_origins(plan.blocks)),
    )


def imports(statements: Iterable[str]) -> str:
    """Import statements in groups: the future, the standard library, everything else."""
    groups: list[list[str]] = [[], []]
    for line in sorted(set(statements), key=lambda line: (line.startswith("from"), line)):
        groups[line.split()[1].split(".")[0] not in sys.stdlib_module_names].append(line)
    return "\n\n".join("\n".join(group) for group in (["from __future__ import annotations"], *groups) if group)


def plain(text: object) -> str:
    """Text that may stand in a docstring or a page, whatever a package calls itself."""
    return "".join(c for c in str(text) if c.isascii() and c.isprintable() and c not in '\\"')


def origin(block: Block) -> str:
    """Package, version, path and licence of a block, as far as they are known."""
    if not block.mined:
        return f"jnas {jnas.__version__}"
    keys = ("package", "version", "path", "licence")
    return ", ".join(plain(block.provenance[key]) for key in keys if block.provenance.get(key))


def _origins(blocks: Iterable[Block]) -> Iterator[str]:
    yield "Blocks:"
    for block in sorted(blocks, key=lambda block: block.name):
        yield f"* {plain(block.name)}: {origin(block)}"
