"""The five kinds of edits of a tree, as values: applied, recovered from two trees, and told in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from jnas.library.block import Block
from jnas.library.exact import Bound, Reference
from jnas.trees.node import (
    AT,
    Node,
    Path,
    Value,
    alike,
    delete,
    find,
    fold,
    get,
    insert,
    node_from_json,
    parse_path,
    path_text,
    replace,
    sequence,
    to_json,
    value_from_json,
    walk,
)
from translators.diagnostics import UserError

KINDS = ("set", "swap", "insert", "delete", "compose")


class Default(Enum):
    """The value of a "set" that takes an argument out of the tree, so that it has its default again."""

    DEFAULT = "default"


DEFAULT = Default.DEFAULT


Setting: TypeAlias = tuple[Path, str, Any]  # (path below the edit's, argument, Value or DEFAULT)


@dataclass(frozen=True)
class Edit:
    """One change at `path`.

    set: `argument` of the node gets `value`; without `argument`, `value` holds Settings that change together, such as
    widths that must agree. swap: `value` replaces the node, or a part that the constructor of a block makes. insert:
    `value` comes to stand at a list position (of a sequence, its items). delete: the list item goes, or what replaced a
    part of a block. compose: a container that holds the old node replaces it.
    """

    kind: str
    path: Path
    argument: str | None = None
    value: Any = None  # Value, DEFAULT, or a tuple of Settings

    @property
    def settings(self) -> tuple[Setting, ...]:
        """What a "set" sets, by paths below `path`."""
        return self.value if self.argument is None else (((), self.argument, self.value),)


def joint(settings: Iterable[Setting]) -> Edit:
    """The "set" of several arguments by paths from the root, at the smallest part of the tree that holds them all."""
    ordered = sorted(settings, key=lambda setting: (list(map(str, setting[0])), setting[1]))
    paths = [path for path, _, _ in ordered]
    if len(ordered) == 1:
        return Edit("set", *ordered[0])
    shared = next((i for i, steps in enumerate(zip(*paths, strict=False)) if len(set(steps)) > 1), min(map(len, paths)))
    if any(isinstance(step, int) for path in paths for step in path[shared : shared + 1]):
        shared -= 1  # a place is a node, not the list that it holds
    return Edit("set", paths[0][:shared], None, tuple((path[shared:], name, value) for path, name, value in ordered))


def apply(tree: Node, edit: Edit) -> Node:
    """The edited tree, trivial containers folded. Raises KeyError when the tree has no such place."""
    return fold(apply_unfolded(tree, edit))


def apply_unfolded(tree: Node, edit: Edit) -> Node:
    """The edited tree as it comes: cheaper, the same function. Raises KeyError."""
    match edit.kind:
        case "set":
            for path, name, value in edit.settings:
                node = get(tree, edit.path + path).without(name)
                changed = node if value is DEFAULT else node.with_args(**{name: value})
                tree = replace(tree, edit.path + path, changed)
            return tree
        case "insert":
            return insert(tree, edit.path, edit.value)
        case "delete":
            return delete(tree, edit.path)
        case "swap" | "compose":
            return replace(tree, edit.path, edit.value)
    raise ValueError(f"edit kind {edit.kind!r}; expected one of {', '.join(KINDS)}")


def edit_to_json(edit: Edit) -> dict[str, Any]:
    """{"kind", "path", "argument"?, "value"?}; a set without value means the default.

    Settings that change together are a list of such records under "settings".
    """
    record: dict[str, Any] = {"kind": edit.kind, "path": path_text(edit.path)}
    if edit.kind == "set" and edit.argument is None:
        return record | {"settings": [edit_to_json(Edit("set", *setting)) for setting in edit.settings]}
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
    path, value = parse_path(data.get("path", "")), data.get("value", DEFAULT if kind == "set" else None)
    if "settings" in data:
        edits = [edit_from_json(setting, library) for setting in data["settings"]]
        value = tuple((edit.path, str(edit.argument), edit.value) for edit in edits)
    elif kind in ("swap", "insert", "compose"):
        value = node_from_json(value, library)
    elif value is not DEFAULT:
        value = value_from_json(value, library)
    return Edit(kind, path, data.get("argument"), value)


# Recovering the edit


def intended(parent: Node, child: Node, edit: Edit) -> bool:
    """Whether comparing the two canonical trees recovers kind and place of the edit, so that nothing else changed.

    Among equal neighbours nobody can tell which one came or went, so a position in a list counts as the list.
    """
    found = diff(parent, child)
    return found is not None and found.kind == edit.kind and _list_place(found) == _list_place(edit)


def _list_place(edit: Edit) -> Path:
    return edit.path[:-1] if edit.kind in ("insert", "delete") else edit.path


def diff(a: Node, b: Node) -> Edit | None:
    """The smallest edit that makes canonical `a` into canonical `b`; None when they are equal or further apart."""
    return next((edit for edit in _candidates(a, b) if apply(a, edit) == b), None)


def _candidates(a: Node, b: Node) -> Iterator[Edit]:
    if settings := _settings(a, b, ()):
        yield joint(settings)
    yield from _explanations(a, b, ())


def _settings(x: Node, y: Node, path: Path) -> list[Setting] | None:
    """What to set below `x` at `path` to get `y`; None when that is not enough."""
    if x.block != y.block or x.exact != y.exact or x.at.keys() != y.at.keys():
        return None
    found: list[Setting] = []
    parts = [((*path, AT, place), x.at[place], y.at[place]) for place in x.at]
    for name in sorted(x.args.keys() | y.args.keys()):
        before, after = x.args.get(name, DEFAULT), y.args.get(name, DEFAULT)
        if x.is_container and isinstance(before, (Node, tuple)):
            parts.append(((*path, name), before, after))
        elif not alike(before, after):
            found.append((path, name, after))
    for place, before, after in parts:
        if before == after:
            continue
        if isinstance(before, Node) and isinstance(after, Node):
            pairs = [(place, before, after)]
        elif isinstance(before, tuple) and isinstance(after, tuple) and len(before) == len(after):
            first = {"add": 0, "gate": 1}.get(str(x.args.get("join")), len(before))
            pairs = [((*place, i), before[i], other) for i, other in enumerate(_paired(before, after, first))]
        else:
            return None
        for where, old, new in pairs:
            inside = _settings(old, new, where)
            if inside is None:
                return None
            found += inside
    return found


def _paired(before: tuple[Node, ...], after: tuple[Node, ...], first: int) -> list[Node]:
    """`after` with the items from `first` on, whose order means nothing, beside those of `before` that are alike."""
    left = list(after[first:])
    partners: list[Node | None] = list(after[:first])
    for item in before[first:]:
        partners.append(item if item in left else None)
        if item in left:
            left.remove(item)
    for i, item in enumerate(before):
        if partners[i] is None:
            alike = next((other for other in left if _settings(item, other, ()) is not None), left[0])
            left.remove(alike)
            partners[i] = alike
    return [partner for partner in partners if partner is not None]


def _explanations(x: Node, y: Node, path: Path) -> Iterator[Edit]:
    """Edits that may explain how `x` at `path` became `y`, the most specific first; `diff` tries them."""
    if x.block == y.block:
        named = sorted(x.args.keys() | y.args.keys())
        changed = [name for name in named if not alike(x.args.get(name, x), y.args.get(name, x))]
        inside = sorted(place for place in x.at.keys() | y.at.keys() if x.at.get(place) != y.at.get(place))
        if len(inside) == 1 and not changed:
            yield from _part_explanations(x.at.get(inside[0]), y.at.get(inside[0]), (*path, AT, inside[0]))
        elif len(changed) == 1 and not inside:
            yield from _argument_explanations(x, y, changed[0], path)
        elif "join" in changed:
            yield Edit("set", path, "join", y.args["join"])  # another join may order the branches anew
    else:
        if x.block == "repeat":
            yield Edit("set", path, "times", 1)
        if isinstance(x.args.get("body"), tuple):
            yield from (Edit("delete", (*path, "body", i)) for i in range(len(x.args["body"])))
    if path:
        yield _replacement(x, y.args["body"] if y.block == "sequence" else (y,), path)


def _replacement(x: Node, come: tuple[Node, ...], path: Path) -> Edit:
    """`x` at `path` replaced by what came, one after another: a composition when it still holds `x`, else a swap."""
    value = come[0] if len(come) == 1 else sequence(*come)
    return Edit("compose" if value.is_container and holds(value, x) else "swap", path, None, value)


def holds(tree: Node, part: Node) -> bool:
    """Whether `part` stands in `tree`; of a sequence, whether its items stand there next to each other."""
    run = part.args["body"] if part.block == "sequence" else (part,)
    for _, node in walk(tree):
        items = node.args.get("body") if node.is_container else None
        items = items if isinstance(items, tuple) else (items,)
        if any(items[i : i + len(run)] == run for i in range(len(items) - len(run) + 1)):
            return True
    return False


def _part_explanations(before: Any, after: Any, place: Path) -> Iterator[Edit]:
    """What replaces a part of a block changed, came (a swap of what the constructor makes) or went."""
    if after is None:
        yield Edit("delete", place)
    elif isinstance(before, Node) and isinstance(after, Node):
        yield from _explanations(before, after, place)
    elif isinstance(before, tuple) and isinstance(after, tuple):
        yield from _list_explanations(before, after, place, True)
    elif isinstance(after, Node):
        yield Edit("swap", place, None, after)


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
    if not gone and come:
        yield Edit("insert", (*place, start), None, come[0] if len(come) == 1 else sequence(*come))
    elif len(gone) == 1 and not come:
        yield Edit("delete", (*place, gone[0]))
    elif len(gone) == 1:
        item, path = before[gone[0]], (*place, gone[0])
        if item.block == "repeat":
            yield Edit("set", path, "times", 1)  # its body may have been spliced into the list
        if len(come) == 1:
            yield from _explanations(item, come[0], path)
        elif come:
            yield _replacement(item, tuple(come), path)


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
        case "set" if edit.argument is None:
            return f"set {len(edit.settings)} arguments of {place} together: {_changes_text(edit, tree)}"
        case "set":
            node = get(tree, edit.path)
            old = value_text(node.args[edit.argument]) if edit.argument in node.args else "default"
            new = "default" if edit.value is DEFAULT else value_text(edit.value)
            return f"set {edit.argument} of {place} ({node_name(node)}): {old} -> {new}"
        case "insert":
            return f"insert {value_text(edit.value)} as {place}"
        case "delete":
            return f"delete {place}: {name_at(tree, edit.path)}"
    return f"{edit.kind} {place}: {name_at(tree, edit.path)} -> {value_text(edit.value)}"


def name_at(tree: Node, path: Path) -> str:
    """Name of the node at `path`; of a part of a block that nothing replaced yet, whose it is."""
    there = find(tree, path)
    return "its own" if there is None else node_name(there)


def _changes_text(edit: Edit, tree: Node) -> str:
    """ "out_channels 32 -> 48 (3 times), 64 -> 96", in the order of the tree."""
    counted: dict[str, dict[str, int]] = {}
    for path, name, value in edit.settings:
        node = get(tree, edit.path + path)
        old = value_text(node.args[name]) if name in node.args else "default"
        change = f"{old} -> {'default' if value is DEFAULT else value_text(value)}"
        changes = counted.setdefault(name, {})
        changes[change] = changes.get(change, 0) + 1
    return ", ".join(
        f"{name} " + ", ".join(change + (f" ({times} times)" if times > 1 else "") for change, times in changes.items())
        for name, changes in counted.items()
    )


def place_name(path: Path) -> str:
    """("stages", 1, "body", 0, "body", 2) -> "stage 2 block 1.3"; counted from one, as people do."""
    if AT in path:
        last = len(path) - 1 - path[::-1].index(AT)
        number = "".join(f" part {step + 1}" for step in path[last + 2 : last + 3] if isinstance(step, int))
        return f"{path[last + 1]}{number} in {place_name(path[:last])}"
    numbers = [step + 1 for step in path if isinstance(step, int)]
    if path[:1] != ("stages",):
        return " ".join(["stem" if path[:1] == ("stem",) else "network", ".".join(map(str, numbers))]).rstrip()
    if len(path) == 2:
        return f"stage {numbers[0]}"
    inner = ".".join(map(str, numbers[1:]))
    return ("every copy of " if path[-1] == "body" else "") + f"stage {numbers[0]} block {inner}"


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


def value_text(value: Value) -> str:
    """An argument's value as people read it."""
    if isinstance(value, Node):
        args = "" if value.is_container else ", ".join(f"{k}={value_text(v)}" for k, v in value.args.items())
        return node_name(value) + (f"({args})" if args else "")
    if isinstance(value, Reference):
        args = ", ".join(f"{k}={value_text(v)}" for k, v in value.args.items())
        return value.name.rpartition(".")[2] + (f"({args})" if args else "")
    if isinstance(value, Bound):
        return value.kind
    return ", ".join(map(value_text, value)) if isinstance(value, tuple) else str(value)
