"""Which nodes of a tree are not those of another: what the drawing of a winner marks. Pure."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Any

from jnas.trees.node import AT, Node, Path


def changed(before: Node, after: Node, path: Path = ()) -> frozenset[Path]:
    """Paths in `after` of nodes that are new, are another block, or have another argument (or lost a child)."""
    if before == after:
        return frozenset()
    if before.block != after.block:
        return frozenset({path})
    found: set[Path] = set()
    for place in {*before.at, *after.at}:
        found |= _changed_value(before.at.get(place), after.at.get(place), path, (*path, AT, place))
    for name in {*before.args, *after.args}:
        found |= _changed_value(before.args.get(name), after.args.get(name), path, (*path, name))
    return frozenset(found)


def _changed_value(before: Any, after: Any, owner: Path, path: Path) -> frozenset[Path]:
    if before == after:
        return frozenset()
    if before is None and isinstance(after, Node) and AT in path[-2:]:
        return frozenset({path})
    if isinstance(before, Node) and isinstance(after, Node):
        return changed(before, after, path)
    if not (_are_nodes(before) and _are_nodes(after)):
        return frozenset({owner})
    found: set[Path] = set()
    for kind, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "delete":
            found.add(owner)
        elif kind == "replace":
            for offset, node in enumerate(after[k:m]):
                here = (*path, k + offset)
                found |= changed(before[i + offset], node, here) if i + offset < j else {here}
            if j - i > m - k:
                found.add(owner)
        elif kind == "insert":
            found |= {(*path, index) for index in range(k, m)}
    return frozenset(found)


def _are_nodes(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, Node) for item in value)
