"""The five kinds of edits of a tree, as values: applied, recovered from two trees, and told in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from jnas.library.block import Block
from jnas.trees.node import (
    Node,
    Path,
    Value,
    delete,
    fold,
    get,
    insert,
    node_from_json,
    parse_path,
    path_text,
    replace,
    to_json,
)
from translators.diagnostics import UserError

KINDS = ("set", "swap", "insert", "delete", "compose")


class Default(Enum):
    """The value of a "set" that takes an argument out of the tree, so that it has its default again."""

    DEFAULT = "default"


DEFAULT = Default.DEFAULT


@dataclass(frozen=True)
class Edit:
    """One change at `path`.

    set: `argument` of the node gets `value`. swap: `value` (a block) replaces the node. insert: `value` comes to stand
    at a list position. delete: the list item goes. compose: `value` (a container that may hold the old node)
    replaces it.
    """

    kind: str
    path: Path
    argument: str | None = None
    value: Any = None  # Value, or DEFAULT


def apply(tree: Node, edit: Edit) -> Node:
    """The edited tree, trivial containers folded. Raises KeyError when the tree has no such place."""
    return fold(apply_unfolded(tree, edit))


def apply_unfolded(tree: Node, edit: Edit) -> Node:
    """The edited tree as it comes: cheaper, the same function. Raises KeyError."""
    match edit.kind:
        case "set":
            node = get(tree, edit.path)
            changed = node.without(str(edit.argument))
            return replace(
                tree,
                edit.path,
                changed if edit.value is DEFAULT else changed.with_args(**{str(edit.argument): edit.value}),
            )
        case "insert":
            return insert(tree, edit.path, edit.value)
        case "delete":
            return delete(tree, edit.path)
        case "swap" | "compose":
            return replace(tree, edit.path, edit.value)
    raise ValueError(f"edit kind {edit.kind!r}; expected one of {', '.join(KINDS)}")


def edit_to_json(edit: Edit) -> dict[str, Any]:
    """{"kind", "path", "argument"?, "value"?}; a set without value means the default."""
    record: dict[str, Any] = {"kind": edit.kind, "path": path_text(edit.path)}
    if edit.argument is not None:
        record["argument"] = edit.argument
    if edit.kind != "delete" and not isinstance(edit.value, Default):
        record["value"] = to_json(edit.value)
    return record


def edit_from_json(data: Mapping[str, Any], library: Mapping[str, Block]) -> Edit:
    """The inverse of `edit_to_json`. Raises UserError."""
    kind = data.get("kind")
    if kind not in KINDS:
        raise UserError(f"edit kind: {kind!r}; expected one of {', '.join(KINDS)}")
    value = data.get("value", DEFAULT if kind == "set" else None)
    if kind in ("swap", "insert", "compose"):
        value = node_from_json(value, library)
    elif isinstance(value, list):
        value = tuple(value)
    return Edit(kind, parse_path(data.get("path", "")), data.get("argument"), value)


# Recovering the edit


def diff(a: Node, b: Node) -> Edit | None:
    """The smallest edit that makes canonical `a` into canonical `b`; None when they are equal or further apart."""
    return next((edit for edit in _explanations(a, b, ()) if apply(a, edit) == b), None)


def _explanations(x: Node, y: Node, path: Path) -> Iterator[Edit]:
    """Edits that may explain how `x` at `path` became `y`, the most specific first; `diff` tries them."""
    if x.block == y.block:
        changed = sorted(name for name in x.args.keys() | y.args.keys() if x.args.get(name, x) != y.args.get(name, x))
        if len(changed) == 1:
            yield from _argument_explanations(x, y, changed[0], path)
        elif "join" in changed:
            yield Edit("set", path, "join", y.args["join"])  # another join may order the branches anew
    else:
        if x.block == "repeat":
            yield Edit("set", path, "times", 1)
        if isinstance(x.args.get("body"), tuple):
            yield from (Edit("delete", (*path, "body", i)) for i in range(len(x.args["body"])))
    if path:
        body = y.args["body"] if y.block == "sequence" else (y,)
        value = body[0] if len(body) == 1 else y
        yield Edit("compose" if value.is_container else "swap", path, None, value)


def _argument_explanations(x: Node, y: Node, name: str, path: Path) -> Iterator[Edit]:
    before, after, place = x.args.get(name), y.args.get(name), (*path, name)
    if isinstance(before, Node) and isinstance(after, Node):
        yield from _explanations(before, after, place)
    elif isinstance(before, tuple) and isinstance(after, tuple) and x.is_container:
        join = x.args.get("join")
        for ordered in {"add": (False,), "gate": (False, True)}.get(str(join), (True,)):
            yield from _list_explanations(before, after, place, ordered)
    else:
        yield Edit("set", path, name, y.args.get(name, DEFAULT))


def _list_explanations(before: tuple[Node, ...], after: tuple[Node, ...], place: Path, ordered: bool) -> Iterator[Edit]:
    gone, come, start = _changed_items(before, after, ordered)
    if not gone and len(come) == 1:
        yield Edit("insert", (*place, start), None, come[0])
    elif len(gone) == 1 and not come:
        yield Edit("delete", (*place, gone[0]))
    elif len(gone) == 1:
        item, path = before[gone[0]], (*place, gone[0])
        if item.block == "repeat":
            yield Edit("set", path, "times", 1)  # its body may have been spliced into the list
        if len(come) == 1:
            yield from _explanations(item, come[0], path)


def _changed_items(
    before: tuple[Node, ...], after: tuple[Node, ...], ordered: bool
) -> tuple[list[int], list[Node], int]:
    """(positions gone, items come, position where they came) between two lists of nodes."""
    if not ordered:
        left, gone = list(after), []
        for i, item in enumerate(before):
            if item in left:
                left.remove(item)
            else:
                gone.append(i)
        return gone, left, len(before)
    shorter = min(len(before), len(after))
    start = next((i for i in range(shorter) if before[i] != after[i]), shorter)
    end = next((i for i in range(shorter - start) if before[-1 - i] != after[-1 - i]), shorter - start)
    return list(range(start, len(before) - end)), list(after[start : len(after) - end]), start


# In words


def describe(edit: Edit, tree: Node) -> str:
    """One line in plain words, e.g. "swap stage 2 block 1: BasicResidual -> timm ConvNeXtBlock"."""
    place = place_name(edit.path)
    match edit.kind:
        case "set":
            node = get(tree, edit.path)
            old = _value_text(node.args[edit.argument]) if edit.argument in node.args else "default"
            new = "default" if edit.value is DEFAULT else _value_text(edit.value)
            return f"set {edit.argument} of {place} ({node_name(node)}): {old} -> {new}"
        case "insert":
            return f"insert {_value_text(edit.value)} as {place}"
        case "delete":
            return f"delete {place}: {node_name(get(tree, edit.path))}"
    return f"{edit.kind} {place}: {node_name(get(tree, edit.path))} -> {_value_text(edit.value)}"


def place_name(path: Path) -> str:
    """("stages", 1, "body", 0, "body", 2) -> "stage 2 block 1.3"; counted from one, as people do."""
    numbers = [step + 1 for step in path if isinstance(step, int)]
    if path[:1] != ("stages",):
        return " ".join(["stem" if path[:1] == ("stem",) else "network", ".".join(map(str, numbers))]).rstrip()
    if len(path) == 2:
        return f"stage {numbers[0]}"
    inner = ".".join(map(str, numbers[1:]))
    return f"stage {numbers[0]} block {inner}" + (" copies" if path[-1] == "body" else "")


def node_name(node: Node) -> str:
    """Short name: `BasicResidual`, `timm ConvNeXtBlock`, `3 x BasicResidual`, `BasicResidual + MaxPool`."""
    if not node.is_container:
        package, _, name = node.block.rpartition(".")
        source = package.split(".")[0]
        return name if source in ("jnas", "") else f"{source} {name}"
    body: Any = node.args.get("body")
    inner = [node_name(item) for item in body] if isinstance(body, tuple) else []
    match node.block:
        case "repeat":
            return f"{node.args['times']} x {node_name(body)}"
        case "residual":
            return f"x + [{', '.join(inner)}]"
        case "branches":
            return "(" + {"add": " + ", "concat": " | ", "gate": " * gate "}[str(node.args["join"])].join(inner) + ")"
        case "sequence":
            return f"[{', '.join(inner)}]"
    return node.block


def _value_text(value: Value) -> str:
    if isinstance(value, Node):
        args = "" if value.is_container else ", ".join(f"{k}={_value_text(v)}" for k, v in value.args.items())
        return node_name(value) + (f"({args})" if args else "")
    return ", ".join(map(_value_text, value)) if isinstance(value, tuple) else str(value)
