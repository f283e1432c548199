"""What can be edited where: every place, block and argument offered here gives a tree whose contracts fit.

A block that comes into a tree takes width and stride from its place; later "set" edits change them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from jnas.library.binding import BindError, Shape, bind, open_arguments, output_shape
from jnas.library.block import Block
from jnas.trees.edits import Edit, apply, apply_unfolded, diff
from jnas.trees.node import JOINS, Node, Path, Value, branches, children, get, residual, sequence, without_defaults
from jnas.trees.shapes import Inference, ShapeError

T = TypeVar("T")

TIMES = (1, 2, 3, 4, 5, 6, 7, 8)
FORMS = ("sequence", "residual", *JOINS)
FORM = "form"  # the argument of a compose edit that says how the old node and the new block come together


def places(tree: Node, kind: str, library: Mapping[str, Block], shape: Shape) -> tuple[Path, ...]:
    """Paths at which an edit of `kind` is possible; for insert, list positions (the end of a list included)."""
    options = _Options(tree, library, shape)
    return tuple(path for path in options.candidates(kind) if options.any_edit(kind, path))


def modules(tree: Node, kind: str, path: Path, library: Mapping[str, Block], shape: Shape) -> tuple[Block, ...]:
    """Blocks that fit at a place for swap, insert or compose; none for the other kinds."""
    options = _Options(tree, library, shape)
    return tuple(block for block in options.blocks() if next(options.edits_with(kind, path, block), None))


def arguments(
    tree: Node, kind: str, path: Path, name: str | None, library: Mapping[str, Block], shape: Shape
) -> dict[str, tuple[Value, ...]]:
    """Open decisions and the values that fit, each alone.

    For set: the arguments of the node with their other values (only the argument `name` where given). For swap, insert
    and compose: those of the block `name`, defaults included; compose adds "form" in front (see FORMS).
    """
    options = _Options(tree, library, shape)
    if kind == "set":
        offered = {argument: tuple(values) for argument, values in options.settable(path)}
        return offered if name is None else {name: offered[name]} if name in offered else {}
    if kind == "delete":
        return {}
    return options.open_arguments(kind, path, library[str(name)])


def make_edit(
    tree: Node,
    kind: str,
    path: Path,
    name: str | None,
    args: Mapping[str, Value],
    library: Mapping[str, Block],
    shape: Shape,
) -> Edit:
    """The edit that the decisions describe. Raises ShapeError when they do not fit together.

    `name` is a block (swap, insert, compose) or an argument (set); `args` are decisions from `arguments`.
    """
    options = _Options(tree, library, shape)
    if kind == "set":
        edit = Edit("set", path, name, args[str(name)])
    elif kind == "delete":
        edit = Edit("delete", path)
    else:
        block = library[str(name)]
        form = str(args[FORM]) if FORM in args else None
        own = {key: value for key, value in args.items() if key != FORM}
        found = next(options.edits_with(kind, path, block, own, form), None)
        if found is None:
            raise ShapeError(path, f"{kind} with {name} and {dict(args)} does not fit")
        edit = dataclasses.replace(found, value=without_defaults(found.value, library))
    options.check(edit)
    return edit


def draw_place(paths: Sequence[Path], rng: np.random.Generator) -> Path:
    """Uniform over depth first and then over places: leaves would drown the rest (ours)."""
    return _draw_grouped(paths, [depth(path) for path in paths], rng)


def draw_module(blocks: Sequence[Block], rng: np.random.Generator) -> Block:
    """Uniform over family first and then over blocks: large families would drown the rest (ours)."""
    return _draw_grouped(blocks, [block.family for block in blocks], rng)


def depth(path: Path) -> int:
    """How many nodes stand above the place."""
    return sum(isinstance(step, str) for step in path)


def _draw_grouped(items: Sequence[T], groups: Sequence[object], rng: np.random.Generator) -> T:
    names = sorted(set(groups), key=str)
    group = names[int(rng.integers(len(names)))]
    members = [item for item, name in zip(items, groups, strict=True) if name == group]
    return members[int(rng.integers(len(members)))]


class _Options:
    """One tree at one input shape, with its shapes inferred once."""

    def __init__(self, tree: Node, library: Mapping[str, Block], shape: Shape):
        self._tree, self._library, self._shape = tree, library, shape
        self._inference = Inference(library)
        self._shapes = self._inference.infer(tree, shape)

    def blocks(self) -> tuple[Block, ...]:
        return tuple(self._library[name] for name in sorted(self._library) if self._library[name].placeable)

    def candidates(self, kind: str) -> Iterator[Path]:
        """Places that the structure of the tree allows; whether shapes fit there is another question."""
        for path, node in self._distinct(self._tree, ()):
            if kind == "set":
                yield path
            elif kind == "insert":
                yield from self._positions(path, node)
            elif not path:
                continue
            elif kind != "delete":
                if not self._is_single_block_stage(path):
                    yield path
            elif isinstance(path[-1], int):
                parent = get(self._tree, path[:-2])
                if len(parent.args[path[-2]]) > (2 if parent.block == "branches" else 1):
                    yield path

    def _distinct(self, node: Node, path: Path) -> Iterator[tuple[Path, Node]]:
        """Like walk, but of equal branches that commute the last one only: changing another gives the same tree."""
        yield path, node
        first = {"add": 0, "gate": 1}.get(str(node.args.get("join"))) if node.block == "branches" else None
        for i, (step, child) in enumerate(children(node)):
            if first is None or i < first or child not in node.args["body"][i + 1 :]:
                yield from self._distinct(child, path + step)

    def any_edit(self, kind: str, path: Path) -> bool:
        if kind == "set":
            return next(self.settable(path), None) is not None
        if kind == "delete":
            return self.fits(Edit("delete", path))
        return any(next(self.edits_with(kind, path, block), None) for block in self.blocks())

    def check(self, edit: Edit) -> None:
        """Raises ShapeError when the edited tree does not fit together or is the old one."""
        if self._inference.out(apply_unfolded(self._tree, edit), self._shape) and apply(self._tree, edit) == self._tree:
            raise ShapeError(edit.path, "the edit changes nothing")

    def fits(self, edit: Edit) -> bool:
        try:
            return bool(self._inference.out(apply_unfolded(self._tree, edit), self._shape))
        except ShapeError:
            return False

    # set

    def settable(self, path: Path) -> Iterator[tuple[str, list[Value]]]:
        """(argument, other values) of the node at `path`."""
        node = get(self._tree, path)
        for name, current, values in self._domains(node, path):
            other = [v for v in values if v != current and self.fits(Edit("set", path, name, v))]
            if other:
                yield name, other

    def _domains(self, node: Node, path: Path) -> Iterator[tuple[str, Value, tuple[Value, ...]]]:
        if node.block == "repeat":
            yield "times", node.args["times"], TIMES
        elif node.block == "branches":
            yield "join", node.args["join"], JOINS
        elif not node.is_container:
            block, shape = self._library[node.block], self._shapes[path][0]
            bound = bind(block, node.args, shape)
            defaults = {parameter.name: parameter.default for parameter in block.parameters}
            for name, values in open_arguments(block, shape).items():
                yield name, bound.get(name, defaults[name]), values

    # swap, insert, compose

    def edits_with(
        self, kind: str, path: Path, block: Block, args: Mapping[str, Value] | None = None, form: str | None = None
    ) -> Iterator[Edit]:
        """Edits that bring `block` to `path` (one per form for compose, else at most one)."""
        if kind == "insert":
            edit = Edit("insert", path, None, Node(block.name, args or {}))
            if self.fits(edit):
                yield edit
            return
        old, (before, after) = get(self._tree, path), self._shapes[path]
        if kind == "swap":
            new = self._placed(block, args, before, after)
            if new is not None and new.block != old.block:
                edit = Edit("swap", path, None, new)
                if not old.is_container or self._reads_as(edit):
                    yield edit
        elif kind == "compose":
            for name in self._forms(path) if form is None else (form,):
                value = self._composed(name, old, block, args, before, after)
                if value is not None and self.fits(edit := Edit("compose", path, None, value)) and self._reads_as(edit):
                    yield edit

    def open_arguments(self, kind: str, path: Path, block: Block) -> dict[str, tuple[Value, ...]]:
        offered: dict[str, tuple[Value, ...]] = {}
        if kind == "compose":
            fitting = {form: next(self.edits_with(kind, path, block, None, form), None) for form in self._forms(path)}
            offered[FORM] = tuple(form for form, edit in fitting.items() if edit)
        contract = block.contract
        for name, domain in open_arguments(block, self._incoming(kind, path)).items():
            if contract is None or name in (contract.output_width, contract.stride, FORM):
                continue
            values = tuple(v for v in domain if next(self.edits_with(kind, path, block, {name: v}), None))
            if len(values) > 1:
                offered[name] = values
        return offered

    def _incoming(self, kind: str, path: Path) -> Shape:
        """Shape that a new block at `path` receives."""
        if kind != "insert":
            return self._shapes[path][0]
        if path[:-2] and get(self._tree, path[:-2]).block == "branches":
            return self._shapes[path[:-2]][0]
        if path in self._shapes:
            return self._shapes[path][0]
        return self._shapes[(*path[:-1], int(path[-1]) - 1)][1]

    def _placed(self, block: Block, args: Mapping[str, Value] | None, before: Shape, after: Shape) -> Node | None:
        """The block with the width and stride that make `before` into `after`, where it can."""
        contract, decisions = block.contract, dict(args or {})
        if contract is None:
            return None
        if contract.stride is not None and before[1:] != after[1:]:
            stride = block.parameter(contract.stride)
            factor, rest = divmod(round(before[1] / after[1]), contract.reduction)
            if rest or stride is None or factor not in stride.domain:
                return None
            decisions[contract.stride] = factor
        if contract.output_width is not None and before[0] != after[0]:
            decisions[contract.output_width] = round(after[0] / contract.expansion)
        try:
            fits = output_shape(block, decisions, before) == after
        except BindError:
            return None
        return Node(block.name, decisions) if fits else None

    def _composed(
        self, form: str, old: Node, block: Block, args: Mapping[str, Value] | None, before: Shape, after: Shape
    ) -> Node | None:
        if form in ("sequence", "residual"):
            new = Node(block.name, args or {})
            return sequence(old, new) if form == "sequence" else residual(old, new)
        if form == "concat":
            after = (before[0], *after[1:])
        beside = self._placed(block, args, before, after)
        return None if beside is None else branches(old, beside, join=form)

    def _forms(self, path: Path) -> tuple[str, ...]:
        parent = get(self._tree, path[:-2]) if isinstance(path[-1], int) else get(self._tree, path[:-1])
        in_list = parent.block in ("network", "sequence", "residual") and isinstance(path[-1], int)
        skipped = {"sequence" if in_list else None, parent.args.get("join")}  # they would only insert an item
        return tuple(form for form in FORMS if form not in skipped)

    def _reads_as(self, edit: Edit) -> bool:
        """Whether the change looks like the edit that made it: swapping [A, B] for A reads as a deletion."""
        found = diff(self._tree, apply(self._tree, edit))
        return found is not None and found.kind == edit.kind

    def _positions(self, path: Path, node: Node) -> Iterator[Path]:
        name = "stages" if node.block == "network" else "body"
        items = node.args.get(name) if node.is_container else None
        if isinstance(items, tuple):
            first = len(items) if node.block == "branches" else 0  # what commutes needs no order
            yield from ((*path, name, i) for i in range(first, len(items) + 1))

    def _is_single_block_stage(self, path: Path) -> bool:
        return len(path) == 2 and path[0] == "stages" and len(get(self._tree, path).args["body"]) == 1
