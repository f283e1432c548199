"""A network as a value: nodes, places in them, their JSON form, their canonical form and its hash.

A tree stores decisions; what follows from a node's place (input widths, sizes) is bound when shapes are inferred.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeAlias

from jnas.library.block import Block, Parameter
from jnas.library.exact import BOUND, EDGES, Bound, Reference
from jnas.trees.remembered import NODES, per_library
from translators.diagnostics import UserError

Value: TypeAlias = "int | float | str | bool | Node | Reference | Bound | tuple[Value, ...] | None"
Path: TypeAlias = tuple[str | int, ...]

JOINS = ("add", "concat", "gate")
CONTAINERS: Mapping[str, Mapping[str, str]] = {
    "network": {"stem": "node?", "stages": "nodes?", "head": "node?"},
    "sequence": {"body": "nodes"},
    "residual": {"body": "nodes"},
    "branches": {"body": "nodes", "join": "join"},
    "repeat": {"body": "node", "times": "times"},
}
AT = "at"  # the step of a path, and the key in JSON, that leads to what stands inside a block
_RESERVED = re.compile(r"(block|exact|at)_*")
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, eq=False)
class Node:
    """A block of the library, or a built-in container (names without a dot), and the decisions taken for it.

    `at` replaces what the constructor of the block makes: attribute path ("layer2.0.conv1") -> a node, or the nodes of
    a list that the block walks in order. An *exact* node says all arguments of its block itself and needs no contract;
    `exact` is its (incoming, outgoing) layout. An argument that is a node is a module made of that node's arguments.
    """

    block: str
    args: Mapping[str, Any] = field(default_factory=dict)  # of Value
    at: Mapping[str, Any] = field(default_factory=dict)  # of Node or tuple[Node, ...]
    exact: tuple[str, str] | None = None
    _known: tuple[Any, ...] = field(init=False, repr=False)
    _hash: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        args = {name: _frozen(self.args[name]) for name in sorted(self.args)}
        at = {place: _frozen(self.at[place]) for place in sorted(self.at, key=_natural)}
        object.__setattr__(self, "args", MappingProxyType(args))
        object.__setattr__(self, "at", MappingProxyType(at))
        types = () if self.is_container else tuple(map(_type, args.values()))
        known = (self.block, self.exact, types, tuple(args.items()), tuple(at.items()))
        object.__setattr__(self, "_known", known)
        object.__setattr__(self, "_hash", hash(known))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Node):
            return NotImplemented
        return self._hash == other._hash and self._known == other._known

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        more = [f"{name}={value!r}" for name, value in (("at", dict(self.at)), ("exact", self.exact)) if value]
        return f"Node({', '.join([repr(self.block), repr(dict(self.args)), *more])})"

    @property
    def is_container(self) -> bool:
        return self.block in CONTAINERS

    def with_args(self, **args: Value) -> Node:
        return Node(self.block, {**self.args, **args}, self.at, self.exact)

    def without(self, name: str) -> Node:
        if name not in self.args:
            return self
        return Node(self.block, {k: v for k, v in self.args.items() if k != name}, self.at, self.exact)


def _type(value: Any) -> Any:
    """What tells values apart that Python calls equal."""
    if isinstance(value, tuple):
        return tuple(_type(item) for item in value)
    return tuple(_type(item) for item in value.args.values()) if isinstance(value, Reference) else type(value)


def alike(a: Any, b: Any) -> bool:
    """Whether two values mean the same: to Python, True is 1 and 1 is 1.0."""
    return a == b and _type(a) == _type(b)


def _natural(place: str) -> list[Any]:
    """Sorts "blocks.2" before "blocks.10"."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in _DIGITS.split(place) if part]


def _frozen(value: Any) -> Value:
    return tuple(_frozen(item) for item in value) if isinstance(value, (list, tuple)) else value


def network(stem: Node | None, stages: Iterable[Node], head: Node | None = None) -> Node:
    """The root: stem, then stages, then the head that makes logits: without one, global average pooling and linear."""
    parts = {"stem": stem, "stages": tuple(stages), "head": head}
    return Node("network", {name: part for name, part in parts.items() if part is not None})


def sequence(*body: Node) -> Node:
    """One after another."""
    return Node("sequence", {"body": body})


def residual(*body: Node) -> Node:
    """The input plus what the body makes of it; the body keeps the shape."""
    return Node("residual", {"body": body})


def branches(*body: Node, join: str = "add") -> Node:
    """The same input through every branch, joined by addition, concatenation, or gating of the first by the others."""
    return Node("branches", {"body": body, "join": join})


def repeat(body: Node, times: int) -> Node:
    """`times` copies of the body one after another, each with parameters of its own."""
    return Node("repeat", {"body": body, "times": times})


# Places


def path_text(path: Path) -> str:
    """`stages.1.body.0`, `stages.1.at.mlp/fc1`; the root is the empty text."""
    return ".".join(str(step).replace(".", "/") for step in path)


def parse_path(text: str) -> Path:
    """The inverse of `path_text`: what follows "at" is an attribute path, other digits are positions."""
    path: list[str | int] = []
    for part in text.split(".") if text else ():
        inside = bool(path) and path[-1] == AT
        path.append(part.replace("/", ".") if inside else int(part) if part.isdigit() else part)
    return tuple(path)


def children(node: Node) -> Iterator[tuple[Path, Node]]:
    """(relative path, child) of a node: parts of a container in the order of data flow, replaced parts of a block."""
    found: list[tuple[Path, Value]]
    if node.is_container:
        found = [((name,), node.args.get(name)) for name in CONTAINERS[node.block]]
    else:
        found = [((AT, place), value) for place, value in node.at.items()]
    for path, value in found:
        if isinstance(value, Node):
            yield path, value
        elif isinstance(value, tuple):
            yield from (((*path, i), item) for i, item in enumerate(value) if isinstance(item, Node))


def walk(tree: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """(path, node), parents before children, in the order of data flow."""
    yield path, tree
    for step, child in children(tree):
        yield from walk(child, path + step)


def get(tree: Node, path: Path) -> Any:
    """The node (or value) at `path`. Raises KeyError when there is no such place."""
    value: Any = tree
    for i in range(len(path)):
        value = _step(value, path, i)
    return value


def find(tree: Node, path: Path) -> Any:
    """Like `get`, but None when there is no such place: nothing replaced that part of a block yet."""
    try:
        return get(tree, path)
    except KeyError:
        return None


def replace(tree: Node, path: Path, value: Value) -> Any:
    """The tree with `value` at `path`. Raises KeyError when there is no such place."""
    return value if not path else _changed(tree, path, 0, lambda parent, step: _with(parent, step, value))


def insert(tree: Node, path: Path, value: Value) -> Node:
    """The tree with `value` before what stands at the list position `path` (its end included). Raises KeyError."""
    return _changed(tree, path, 0, lambda items, i: (*_items(items, i, path, 1)[:i], value, *items[i:]))


def delete(tree: Node, path: Path) -> Node:
    """The tree without the list item, or without what replaces a part of a block, at `path`. Raises KeyError."""
    return _changed(tree, path, 0, lambda items, i: _without(items, i, path))


def _without(items: Any, i: Any, path: Path) -> Any:
    if isinstance(items, Mapping) and i in items:
        return {place: value for place, value in items.items() if place != i}
    return (*_items(items, i, path, 0)[:i], *items[i + 1 :])


def _step(value: Any, path: Path, i: int) -> Any:
    step = path[i]
    if isinstance(value, Node):
        if step == AT and not value.is_container:
            return value.at
        if isinstance(step, str) and step in value.args:
            return value.args[step]
    elif isinstance(value, tuple):
        if isinstance(step, int) and 0 <= step < len(value):
            return value[step]
    elif isinstance(value, Mapping) and step in value:
        return value[step]
    raise KeyError(f"no place {path_text(path[: i + 1])} in the tree")


def _with(parent: Any, step: Any, value: Any) -> Any:
    if isinstance(parent, Node):
        return Node(parent.block, parent.args, value, parent.exact) if step == AT else parent.with_args(**{step: value})
    if isinstance(parent, Mapping):
        return {**parent, step: value}
    return (*parent[:step], value, *parent[step + 1 :])


def _items(parent: Any, step: Any, path: Path, extra: int) -> tuple[Value, ...]:
    if not isinstance(parent, tuple) or not isinstance(step, int) or not 0 <= step < len(parent) + extra:
        raise KeyError(f"{path_text(path)} is no position in a list of the tree")
    return parent


def _changed(parent: Any, path: Path, i: int, change: Callable[[Any, Any], Any]) -> Any:
    if i == len(path) - 1:
        return change(parent, path[i])
    return _with(parent, path[i], _changed(_step(parent, path, i), path, i + 1, change))


# JSON


def to_json(tree: Any) -> Any:
    """The form that people read and write: {"block": name, argument: value, ...}."""
    if isinstance(tree, Node):
        more: dict[str, Any] = {"exact": list(tree.exact)} if tree.exact else {}
        if tree.at:
            more[AT] = {place: to_json(value) for place, value in tree.at.items()}
        return {"block": tree.block} | {_escaped(name): to_json(value) for name, value in tree.args.items()} | more
    if isinstance(tree, Reference):
        return {"class": tree.name} | {name: to_json(value) for name, value in tree.args.items()}
    if isinstance(tree, Bound):
        return {"bound": tree.kind}
    return [to_json(item) for item in tree] if isinstance(tree, tuple) else tree


def from_json(data: Any, library: Mapping[str, Block]) -> Node:
    """The inverse of `to_json`. Raises UserError naming the path of what is wrong."""
    tree = _node(data, library, ())
    if tree.block != "network":
        raise UserError(
            f'tree: the root is block {tree.block!r}; expected {{"block": "network", "stem": .., "stages": [..]}}'
        )
    return tree


def node_from_json(data: Any, library: Mapping[str, Block]) -> Node:
    """Any node, checked like a whole tree. Raises UserError."""
    return _node(data, library, ())


def _escaped(name: str) -> str:
    return f"{name}_" if _RESERVED.fullmatch(name) else name  # an argument may itself be called "block"


def _node(data: Any, library: Mapping[str, Block], path: Path) -> Node:
    where = _where(path)
    if not isinstance(data, Mapping) or not isinstance(data.get("block"), str):
        raise UserError(f'{where}: {_shown(data)} is no node; expected an object with "block": NAME')
    name, exact = data["block"], data.get("exact")
    given = {key: value for key, value in data.items() if key not in ("block", "exact", AT)}
    args = {key[:-1] if _RESERVED.fullmatch(key) else key: value for key, value in given.items()}
    if name in CONTAINERS:
        return _container(name, args, library, path)
    block = library.get(name)
    if block is None:
        nearest = _nearest(name, [*CONTAINERS, *library])
        raise UserError(f"{where}: block {name!r} is not in the library{nearest}; mine the source that has it")
    if exact is not None and not (isinstance(exact, (list, tuple)) and len(exact) == 2 and {*exact} <= {*EDGES}):
        raise UserError(f"{where}.exact: {_shown(exact)}; expected [incoming, outgoing], each of {', '.join(EDGES)}")
    for key, value in args.items() if exact is None else ():
        parameter = block.parameter(key)
        if parameter is None:
            nearest = _nearest(key, [p.name for p in block.parameters])
            raise UserError(f"{where}: {name} has no argument {key!r}{nearest}")
        if not _in_type(value, parameter):
            raise UserError(f"{where}.{key}: {_shown(value)} is not {_expected(parameter)}, as {name} needs")
    values = {key: _value(value, library, (*path, key)) for key, value in args.items()}
    return Node(name, values, _inside(data.get(AT, {}), library, path), None if exact is None else tuple(exact))


def value_from_json(value: Any, library: Mapping[str, Block]) -> Any:
    """An argument from its JSON form. Raises UserError."""
    return _value(value, library, ())


def _where(path: Path) -> str:
    return f"tree {path_text(path)}".rstrip()


def _value(value: Any, library: Mapping[str, Block], path: Path) -> Value:
    """An argument: plain, a list, a node, {"class": NAME, ...} with partial arguments, or {"bound": KIND}."""
    if isinstance(value, (list, tuple)):
        return tuple(_value(item, library, (*path, i)) for i, item in enumerate(value))
    if not isinstance(value, Mapping):
        return value
    if isinstance(value.get("class"), str):
        args = {key: _value(v, library, (*path, key)) for key, v in value.items() if key != "class"}
        return Reference(value["class"], args)
    if "bound" in value:
        if value.keys() != {"bound"} or value["bound"] not in BOUND:
            raise UserError(f'{_where(path)}: {_shown(value)}; expected {{"bound": one of {", ".join(BOUND)}}}')
        return Bound(value["bound"])
    return _node(value, library, path)


def _inside(data: Any, library: Mapping[str, Block], path: Path) -> dict[str, Any]:
    where = f"{_where((*path, AT))}"
    if not isinstance(data, Mapping):
        raise UserError(f"{where}: {_shown(data)}; expected an object from attribute path to node or list of nodes")
    for place in data:
        above = next((other for other in data if place.startswith(f"{other}.")), None)
        if above is not None:
            raise UserError(f"{where}: {place!r} stands inside {above!r}, which is replaced; give one of them")
    return {
        place: _nodes(value, library, (*path, AT, place))
        if isinstance(value, (list, tuple))
        else _node(value, library, (*path, AT, place))
        for place, value in data.items()
    }


def _nodes(value: Any, library: Mapping[str, Block], path: Path) -> tuple[Node, ...]:
    if not isinstance(value, (list, tuple)) or not value:
        raise UserError(f"{_where(path)}: {_shown(value)}; expected a list of at least one node")
    return tuple(_node(item, library, (*path, i)) for i, item in enumerate(value))


def _container(name: str, args: Mapping[str, Any], library: Mapping[str, Block], path: Path) -> Node:
    kinds, where = CONTAINERS[name], _where(path)
    if not {key for key, kind in kinds.items() if not kind.endswith("?")} <= args.keys() <= kinds.keys():
        raise UserError(f"{where}: {name} has the arguments {', '.join(kinds)}; found {', '.join(args) or 'none'}")
    if name == "network" and path:
        raise UserError(f"{where}: network stands at the root only; use sequence")
    checked: dict[str, Value] = {}
    for key, value in args.items():
        match kinds[key].rstrip("?"):
            case "node":
                checked[key] = _node(value, library, (*path, key))
            case "nodes" if not (name == "network" and "head" in args and value in ([], ())):
                checked[key] = _nodes(value, library, (*path, key))
            case "join":
                if value not in JOINS:
                    raise UserError(f"{where}.{key}: {_shown(value)}; expected one of {', '.join(JOINS)}")
                checked[key] = value
            case "times":
                if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                    raise UserError(f"{where}.{key}: {_shown(value)}; expected a whole number from 1 up")
                checked[key] = value
    if name == "network":
        checked.setdefault("stages", ())
        if not checked["stages"] and "head" not in checked:
            raise UserError(f"{where}: a network has stages or a head; found {', '.join(args) or 'neither'}")
    return Node(name, checked)


def _in_type(value: Any, parameter: Parameter) -> bool:
    if isinstance(value, Mapping):
        return parameter.role in ("module", "module class", "choice", "other")
    known = [v for v in (*parameter.domain, parameter.default) if v is not None]
    known += [item for v in known if isinstance(v, (list, tuple)) for item in v]  # one number for all axes
    if value is None or not known:
        return value is None or isinstance(value, (bool, int, float, str, list, tuple))
    if isinstance(value, (list, tuple)) and value and any(type(v) in (int, float) for v in known):
        return all(_in_type(item, parameter) for item in value)  # one number for each axis
    if any(isinstance(v, float) for v in known) and isinstance(value, int) and not isinstance(value, bool):
        return True
    return any(type(value) is type(v) or (isinstance(value, list) and isinstance(v, tuple)) for v in known)


def _expected(parameter: Parameter) -> str:
    if parameter.domain:
        return f"like one of {', '.join(map(_shown, parameter.domain))}"
    return f"like {_shown(parameter.default)}"


def _shown(value: Any) -> str:
    text = json.dumps(value, default=repr)
    return text if len(text) <= 60 else text[:57] + "..."


def _nearest(name: str, names: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"; did you mean {found[0]!r}?" if found else ""


# Canonical form


def canonical(tree: Node, library: Mapping[str, Block]) -> Node:
    """The one form of all trees that differ in notation only: defaults dropped, trivial containers folded."""
    return fold(without_defaults(tree, library))


def tree_hash(tree: Node, library: Mapping[str, Block]) -> str:
    """sha256 (hex) of the canonical form; the same in every process and version. People see the first 16 digits."""
    return _digest(canonical(tree, library))


@lru_cache(NODES)
def _digest(tree: Node) -> str:
    return hashlib.sha256(_text(tree).encode()).hexdigest()


@lru_cache(NODES)
def fold(node: Node) -> Node:
    """Splices nested sequences, unwraps containers that do nothing, orders what commutes; a stage is a sequence."""
    if not node.is_container:
        inside = {place: _folded(value) for place, value in node.at.items()}
        at = {place: _spliced(value) if isinstance(value, tuple) else value for place, value in inside.items()}
        return _like(node, node.args, at)
    args: dict[str, Any] = {name: _folded(value) for name, value in node.args.items()}
    if node.block == "network":
        args["stages"] = tuple(s if s.block == "sequence" else sequence(s) for s in args["stages"])
    elif node.block in ("sequence", "residual"):
        args["body"] = _spliced(args["body"])
    elif node.block == "repeat" and args["times"] == 1:
        return args["body"]
    elif node.block == "branches":
        if len(args["body"]) == 1:
            return args["body"][0]
        first = 0 if args["join"] == "add" else 1 if args["join"] == "gate" else len(args["body"])
        args["body"] = (*args["body"][:first], *sorted(args["body"][first:], key=_text))
    if node.block == "sequence" and len(args["body"]) == 1:
        return args["body"][0]
    return _like(node, args, {})


def _like(node: Node, args: Mapping[str, Value], at: Mapping[str, Any]) -> Node:
    """`node` with these arguments and parts; itself where they are its own, so that comparing it is quick."""
    made = Node(node.block, args, at, node.exact)
    return node if made == node else made


def _folded(value: Value) -> Any:
    if isinstance(value, Node):
        return fold(value)
    return tuple(_folded(item) for item in value) if isinstance(value, tuple) else value


def _spliced(nodes: Iterable[Node]) -> tuple[Node, ...]:
    return tuple(item for node in nodes for item in (node.args["body"] if node.block == "sequence" else (node,)))


def without_defaults(value: Value, library: Mapping[str, Block]) -> Any:
    """The node without arguments that say what leaving them out says too."""
    return _plain(value, _plain_nodes(library))


def _plain(value: Value, plain_node: Callable[[Node], Node]) -> Any:
    if isinstance(value, tuple):
        return tuple(_plain(item, plain_node) for item in value)
    return plain_node(value) if isinstance(value, Node) else value


@per_library
def _plain_nodes(library: Mapping[str, Block]) -> Callable[[Node], Node]:
    """`without_defaults` of nodes of one library."""

    @lru_cache(NODES)
    def plain_node(node: Node) -> Node:
        at = {place: _plain(inner, plain_node) for place, inner in node.at.items()}
        if node.is_container:
            return _like(node, {name: _plain(arg, plain_node) for name, arg in node.args.items()}, at)
        block, implied = library[node.block], is_implied if node.exact is not None else is_default
        return _like(node, {name: arg for name, arg in node.args.items() if not implied(block, name, arg)}, at)

    return plain_node


def is_default(block: Block, name: str, value: Value) -> bool:
    """Whether leaving the argument out means this value (see jnas.library.binding)."""
    parameter, contract = block.parameter(name), block.contract
    if parameter is None or (contract is not None and name == contract.output_width):
        return False  # an absent output width means the incoming width, whatever the constructor's default is
    if contract is not None and name == contract.stride:
        return value == 1
    return not parameter.required and type(value) is type(parameter.default) and value == parameter.default


def is_implied(block: Block, name: str, value: Value) -> bool:
    """The same for a node of all arguments. None stays: records have it for defaults that JSON does not know."""
    parameter = block.parameter(name)
    if parameter is None or parameter.required or value is None:
        return False
    return type(value) is type(parameter.default) and value == parameter.default


@lru_cache(NODES)
def _text(node: Node) -> str:
    return json.dumps(to_json(node), sort_keys=True, separators=(",", ":"))
