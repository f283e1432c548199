"""What can be edited where: every place, block and argument offered here gives a tree whose contracts fit.

What comes into a tree takes width and stride from its place; later "set" edits change them. Draws are lazy: what is
not asked for is not checked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import chain, islice
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from jnas.library.binding import Shape
from jnas.library.block import Block
from jnas.library.exact import Slot
from jnas.trees import widths
from jnas.trees.composites import MOST_PARTS, as_block, blocks_in
from jnas.trees.edits import DEFAULT, Edit, apply, apply_unfolded, intended, joint
from jnas.trees.heads import belongs, makes_logits
from jnas.trees.node import (
    AT,
    JOINS,
    Node,
    Path,
    Value,
    branches,
    children,
    find,
    get,
    is_default,
    is_implied,
    parse_path,
    residual,
    sequence,
    without_defaults,
)
from jnas.trees.placing import placed
from jnas.trees.remembered import per_library
from jnas.trees.scope import EVERYTHING, Scope
from jnas.trees.settings import SCALE, SOURCE, domains
from jnas.trees.shapes import ShapeError, inference_of

T = TypeVar("T")

FORMS = ("sequence", "residual", *JOINS)
FORM = "composite form"  # of a compose edit: how the old node and the new block come together; no argument of a block


def draws(
    items: Iterable[T],
    group: Callable[[T], Hashable],
    rng: np.random.Generator,
    keep: Callable[[T], object] = lambda item: True,
) -> Iterator[T]:
    """The items to keep in random order, uniform over the groups that are left and then over their members.

    `keep` is asked about those drawn only, which changes no probability. Leaves and large families would otherwise
    drown the rest (ours).
    """
    groups: dict[Hashable, list[T]] = {}
    for item in items:
        groups.setdefault(group(item), []).append(item)
    while groups:
        names = sorted(groups, key=str)
        name = names[int(rng.integers(len(names)))]
        members = groups[name]
        while members:
            item = members.pop(int(rng.integers(len(members))))
            if keep(item):
                yield item
                break
        if not members:
            del groups[name]


def depth(path: Path) -> int:
    """How many nodes stand above the place."""
    return sum(isinstance(step, str) for step in path)


class Options:
    """What can be edited in canonical `tree` at input `shape`, with blocks of `library` and `composites` by name.

    `scope` limits what is offered.
    """

    def __init__(
        self,
        tree: Node,
        library: Mapping[str, Block],
        shape: Shape,
        composites: Mapping[str, Node] = MappingProxyType({}),
        scope: Scope = EVERYTHING,
    ):
        self.tree, self.library, self.shape, self.composites = tree, library, shape, composites
        self.scope = scope
        self.inference = inference_of(library)
        self.shapes = self.inference.infer(tree, shape)

    # Places

    def places(self, kind: str) -> tuple[Path, ...]:
        """Paths at which an edit of `kind` is possible; for insert, list positions (the end of a list included)."""
        every = (place for path in self._candidates(kind) for place in self._parts(path))
        return tuple(path for path in every if self.possible(kind, path))

    def draw_places(self, kind: str, rng: np.random.Generator) -> Iterator[Path]:
        """The places in random order, uniform over depth first."""
        for path in draws(self._candidates(kind), depth, rng):
            parts = draws(self._parts(path), depth, rng, lambda part: self.possible(kind, part))
            yield from islice(parts, 1)

    def possible(self, kind: str, path: Path) -> bool:
        if kind == "set":
            return next(self._settable(path), None) is not None
        if kind == "delete":
            return self.fits(Edit("delete", path))
        likely = self.inference.likely.get(kind)
        for block in chain((block for block in self._coming if block.name == likely), self._coming):
            if next(self._edits_with(kind, path, block.name), None):
                self.inference.likely[kind] = block.name
                return True
        return False

    def _candidates(self, kind: str) -> Iterator[Path]:
        """Places that the structure of the tree allows; whether shapes fit there is another question."""
        return (path for path in self._structural(kind) if self.scope.has_place(self.tree, path))

    def _structural(self, kind: str) -> Iterator[Path]:
        for path, node in self._distinct(self.tree, ()):
            if kind == "set":
                yield path
            elif kind == "insert":
                yield from self._positions(path, node)
            elif not path:
                continue
            elif makes_logits(node):  # a network ends with its classes: only parts of what makes them are replaced
                if kind == "swap" and not node.is_container:
                    yield (*path, AT)
            elif kind != "delete":
                if not self._is_single_block_stage(path):
                    yield path
                if kind == "swap" and not node.is_container:
                    yield (*path, AT)  # which parts there are is asked when one is drawn
            elif path[-2:-1] == (AT,):
                yield path
            elif isinstance(path[-1], int):
                around = self._container(path)
                branched = around is not None and around.block == "branches"
                if len(get(self.tree, path[:-1])) > (2 if branched else 1):
                    yield path

    def _parts(self, path: Path) -> Iterator[Path]:
        """The place itself; for the inside of a block the parts that nothing replaced, at any depth."""
        if path[-1:] != (AT,):
            yield path
            return
        node = get(self.tree, path[:-1])
        for place, slot in self._slots(path[:-1]).items():
            if slot.output_layout != "NC" and not any(
                place == at or place.startswith(f"{at}.") or at.startswith(f"{place}.") for at in node.at
            ):
                yield (*path, place)

    def _slots(self, path: Path) -> Mapping[str, Slot]:
        """Parts of the block at `path` that may be replaced; none where its inside is not known."""
        try:
            return self.inference.slots(get(self.tree, path), self.shapes[path][0])
        except ShapeError:
            return {}

    def ends(self, path: Path) -> tuple[Shape, Shape]:
        """(incoming, outgoing) shape at a node, or at a part of a block."""
        if path in self.shapes:
            return self.shapes[path]
        slot = self._slots(path[:-2])[str(path[-1])]
        return slot.before, slot.after

    def _distinct(self, node: Node, path: Path) -> Iterator[tuple[Path, Node]]:
        """Like walk, but of equal branches that commute the last one only: changing another gives the same tree."""
        yield path, node
        first = {"add": 0, "gate": 1}.get(str(node.args.get("join"))) if node.block == "branches" else None
        for i, (step, child) in enumerate(children(node)):
            if first is None or i < first or child not in node.args["body"][i + 1 :]:
                yield from self._distinct(child, path + step)

    def _positions(self, path: Path, node: Node) -> Iterator[Path]:
        name = "stages" if node.block == "network" else "body"
        lists = {(name,): node.args.get(name)} if node.is_container else {(AT, p): v for p, v in node.at.items()}
        for step, items in lists.items():
            if isinstance(items, tuple):
                first = len(items) if node.block == "branches" else 0  # what commutes needs no order
                end = next((i for i, item in enumerate(items) if makes_logits(item)), len(items))
                yield from ((*path, *step, i) for i in range(first, end + 1))

    def _is_single_block_stage(self, path: Path) -> bool:
        return len(path) == 2 and path[0] == "stages" and len(get(self.tree, path).args["body"]) == 1

    # Blocks

    def blocks(self, kind: str, path: Path) -> tuple[Block, ...]:
        """Blocks and composites that fit at a place for swap, insert or compose; none for the other kinds."""
        return tuple(block for block in self._blocks(kind) if next(self._edits_with(kind, path, block.name), None))

    def draw_blocks(self, kind: str, path: Path, rng: np.random.Generator) -> Iterator[Block]:
        """The same in random order, uniform over family first."""
        fits = lambda block: next(self._edits_with(kind, path, block.name), None)  # noqa: E731
        return draws(self._blocks(kind), lambda block: block.family, rng, fits)

    def block(self, name: str) -> Block:
        """The record of a block or composite."""
        template = self.composites.get(name)
        return self.library[name] if template is None else as_block(name, template)

    def _blocks(self, kind: str) -> Iterator[Block]:
        return iter(self._coming if kind in ("swap", "insert", "compose") else ())

    @cached_property
    def _coming(self) -> tuple[Block, ...]:
        coming = (*_placeable(self.library), *(as_block(*made) for made in self.composites.items()))
        allowed = self.scope.blocks
        return coming if allowed is None else tuple(block for block in coming if block.name in allowed)

    # Arguments

    def arguments(self, kind: str, path: Path, name: str | None) -> dict[str, tuple[Value, ...]]:
        """Open decisions and the values that fit, each alone.

        For set: what can be set at the place (only `name` where given). For swap, insert and compose: arguments of the
        block `name`, defaults included; compose adds FORM in front.
        """
        if kind == "set":
            return {found: tuple(values) for found, values in self._settable(path) if name in (None, found)}
        return {} if kind == "delete" else self._open_arguments(kind, path, str(name))

    def make_edit(self, kind: str, path: Path, name: str | None, args: Mapping[str, Value]) -> Edit:
        """The edit that the decisions describe. Raises ShapeError when they do not fit together.

        `name` is a block or composite (swap, insert, compose) or an argument (set); `args` are decisions from
        `arguments`. What has to change along with a "set" is part of the edit, which may so have another path.
        """
        edit: Edit | None
        if kind == "delete":
            edit = Edit("delete", path)
        elif kind == "set":
            edit = self._set(path, str(name), args[str(name)])
        else:
            form = str(args[FORM]) if FORM in args else None
            own = {key: value for key, value in args.items() if key != FORM}
            edit = next(self._edits_with(kind, path, str(name), own, form), None)
        if edit is None:
            raise ShapeError(path, f"{kind} with {name} and {dict(args)} does not fit")
        edit = self._plain(edit)
        self._check(edit)
        if apply(self.tree, edit) == self.tree:
            raise ShapeError(edit.path, "the edit changes nothing")
        return edit

    def extended(self, edit: Edit, rng: np.random.Generator) -> Edit | None:
        """A "compose" with one more block, drawn among those that fit; None where none does."""
        body = edit.value.args["body"]
        if edit.kind != "compose" or not isinstance(body, tuple) or len(blocks_in(edit.value)) >= MOST_PARTS:
            return None
        inside = Options(apply_unfolded(self.tree, edit), self.library, self.shape, scope=self.scope)
        end = (*edit.path, "body", len(body))
        for block in inside.draw_blocks("insert", end, rng):
            added = next(inside._edits_with("insert", end, block.name)).value
            longer = Edit("compose", edit.path, None, edit.value.with_args(body=(*body, added)))
            if self._reads_as(longer):
                return longer
        return None

    # Whether an edit fits

    def fits(self, edit: Edit) -> bool:
        try:
            self._check(edit)
        except ShapeError:
            return False
        return True

    def _check(self, edit: Edit) -> None:
        """Raises ShapeError. What is beside a part that keeps its shapes is not looked at again."""
        place = edit.path[:-2] if edit.kind in ("insert", "delete") else edit.path
        while place and place not in self.shapes:
            place = place[:-1]  # of a part of a block: the block
        if place and self._is_steady(place):
            before, after = self.shapes[place]
            inside = Edit(edit.kind, edit.path[len(place) :], edit.argument, edit.value)
            try:
                if self.inference.out(apply_unfolded(get(self.tree, place), inside), before) == after:
                    return
            except ShapeError as error:
                raise ShapeError(place + error.path, error.reason) from None
        self.inference.out(apply_unfolded(self.tree, edit), self.shape)

    def _is_steady(self, path: Path) -> bool:
        """Whether the place has one shape, in every copy of what is repeated around it."""
        above = (path[:end] for end in range(len(path)) if path[:end] in self.shapes)
        return all(
            get(self.tree, place).block != "repeat" or self.shapes[place][0] == self.shapes[place][1] for place in above
        )

    def _reads_as(self, edit: Edit) -> bool:
        """Whether the change looks like the edit that made it: swapping [A, B] for A reads as a deletion."""
        return intended(self.tree, apply(self.tree, self._plain(edit)), edit)

    def _plain(self, edit: Edit) -> Edit:
        """The edit that says no defaults, so that it makes a canonical tree canonical."""
        if edit.kind != "set":
            return dataclasses.replace(edit, value=without_defaults(edit.value, self.library))
        settings = []
        for path, name, value in edit.settings:
            node = get(self.tree, edit.path + path)
            implied = is_implied if node.exact else is_default
            dropped = not node.is_container and implied(self.library[node.block], name, value)
            settings.append((path, name, DEFAULT if dropped else value))
        return dataclasses.replace(edit, value=settings[0][2] if edit.argument is not None else tuple(settings))

    # set

    def _settable(self, path: Path) -> Iterator[tuple[str, list[Value]]]:
        """(decision, other values) at the place."""
        for name, role, current, values in domains(self.tree, path, self.shapes, self.inference):
            other = [
                value
                for value in values
                if value != current
                and self.scope.has_change(role, current, value)
                and self._set(path, name, value) is not None
            ]
            if other:
                yield name, other

    def _set(self, path: Path, name: str, value: Value) -> Edit | None:
        """The edit that sets the decision, with all that has to change along; None where nothing fits."""
        if name == SCALE:
            edit = widths.scaled(self.tree, path, float(str(value)), self.inference, self.shape)
            return edit if edit is not None and self._reads_as(edit) else None
        if name == SOURCE:
            return self._moved(parse_path(str(value)), path)
        edit = Edit("set", path, name, value)
        if self.fits(edit):
            return edit
        node = get(self.tree, path)
        contract = None if node.is_container else self.library[node.block].contract
        if contract is None or name != contract.output_width or not isinstance(value, int):
            return None
        wider = widths.widened(self.tree, path, value, self.inference, self.shape)
        return wider if wider is not None and self._reads_as(wider) else None

    def _moved(self, source: Path, target: Path) -> Edit | None:
        """The stride of `source` goes to `target`, and leaves the last feature map as large as it was."""
        gives, takes = (self.library[get(self.tree, path).block] for path in (source, target))
        assert gives.contract is not None and takes.contract is not None
        stride = get(self.tree, source).args[gives.contract.stride]
        name = takes.contract.stride
        parameter = None if name is None else takes.parameter(name)
        if name is None or gives.contract.stride is None or parameter is None or stride not in parameter.domain:
            return None
        edit = joint(((source, gives.contract.stride, DEFAULT), (target, name, stride)))
        try:
            kept = self.inference.out(apply_unfolded(self.tree, edit), self.shape)[1:] == self.shapes[()][1][1:]
        except ShapeError:
            return None
        return edit if kept and self._reads_as(edit) else None

    # swap, insert, compose

    def _edits_with(
        self, kind: str, path: Path, name: str, args: Mapping[str, Value] | None = None, form: str | None = None
    ) -> Iterator[Edit]:
        """Edits that bring a block or composite to `path` (one per form for compose, else at most one)."""
        new = self.composites.get(name) or Node(name, args or {})
        if not belongs(self.block(name).family, path, self._incoming(kind, path)):
            return
        if kind == "insert":
            edit = Edit("insert", path, None, self._inserted(path, new))
            if self.fits(edit) and (not new.is_container or self._reads_as(edit)):
                yield edit
            return
        old, (before, after) = find(self.tree, path), self.ends(path)
        if kind == "swap":
            value = placed(new, before, after, self.inference)
            if value is not None and (old is None or value.block != old.block):
                edit = Edit("swap", path, None, value)
                alike = old is not None and not (old.is_container or value.is_container)
                if (old is not None or self.fits(edit)) and (alike or self._reads_as(edit)):
                    yield edit
        elif kind == "compose" and old is not None:
            for how in self._forms(path) if form is None else (form,):
                value = self._composed(how, old, new, before, after)
                if value is not None and self.fits(edit := Edit("compose", path, None, value)) and self._reads_as(edit):
                    yield edit

    def _inserted(self, path: Path, new: Node) -> Node:
        """A new branch is as wide as the others; in a chain it keeps the width unless it cannot."""
        around = self._container(path)
        if around is not None and around.args.get("join") in ("add", "gate"):
            return placed(new, *self.shapes[path[:-2]], self.inference) or new
        shape = self._incoming("insert", path)
        return (placed(new, shape, shape, self.inference) if new.is_container else None) or new

    def _open_arguments(self, kind: str, path: Path, name: str) -> dict[str, tuple[Value, ...]]:
        offered: dict[str, tuple[Value, ...]] = {}
        if kind == "compose":
            fitting = {form: next(self._edits_with(kind, path, name, None, form), None) for form in self._forms(path)}
            offered[FORM] = tuple(form for form, edit in fitting.items() if edit)
        contract = None if name in self.composites else self.library[name].contract
        if contract is None:
            return offered
        shapes = {self._incoming(kind, path), *([self.ends(path)[1]] if kind == "compose" else [])}
        for argument, domain in self.inference.choices(name, self._incoming(kind, path)).items():
            if argument in (contract.output_width, contract.stride):
                continue
            values = tuple(
                value
                for value in domain
                if all(self._leaves_alike(name, argument, value, shape) for shape in shapes)
                or next(self._edits_with(kind, path, name, {argument: value}), None)
            )
            if len(values) > 1:
                offered[argument] = values
        return offered

    def _leaves_alike(self, name: str, argument: str, value: Value, shape: Shape) -> bool:
        """Whether the block fits with the argument where it fits without: the same leaves it."""
        try:
            plain, changed = (self.inference.out(Node(name, args), shape) for args in ({}, {argument: value}))
        except ShapeError:
            return False
        return plain == changed

    def _container(self, path: Path) -> Node | None:
        """What holds the node at `path`; None for a part of a block."""
        listed = isinstance(path[-1], int)
        return None if path[-3 if listed else -2 :][:1] == (AT,) else get(self.tree, path[: -2 if listed else -1])

    def _incoming(self, kind: str, path: Path) -> Shape:
        """Shape that a new block at `path` receives."""
        if kind != "insert":
            return self.ends(path)[0]
        around = self._container(path)
        if around is not None and around.block == "branches":
            return self.shapes[path[:-2]][0]
        if path in self.shapes:
            return self.shapes[path][0]
        if path[-1] == 0:  # of an empty list, as a network that is all head has one
            stem = (*path[:-2], "stem")
            return self.shapes[stem][1] if stem in self.shapes else self.shapes[path[:-2]][0]
        return self.shapes[(*path[:-1], int(path[-1]) - 1)][1]

    def _composed(self, form: str, old: Node, new: Node, before: Shape, after: Shape) -> Node | None:
        if form in ("sequence", "residual"):
            kept = (placed(new, after, after, self.inference) if new.is_container else None) or new
            return sequence(old, kept) if form == "sequence" else residual(old, kept)
        if form == "concat":
            after = (before[0], *after[1:])
        beside = placed(new, before, after, self.inference)
        return None if beside is None else branches(old, beside, join=form)

    def _forms(self, path: Path) -> tuple[str, ...]:
        around = self._container(path)
        in_list = isinstance(path[-1], int) and (around is None or around.block in ("network", "sequence", "residual"))
        joined = None if around is None else around.args.get("join")
        skipped = {"sequence" if in_list else None, joined}  # they would only insert an item
        allowed = FORMS if self.scope.forms is None else self.scope.forms
        return tuple(form for form in FORMS if form in allowed and form not in skipped)


def _rigidity(block: Block) -> tuple[bool, bool, str]:
    contract = block.contract
    return contract is None or contract.output_width is None, contract is None or contract.stride is None, block.name


@per_library
def _placeable(library: Mapping[str, Block]) -> tuple[Block, ...]:
    """Blocks that can come in by a contract, those first that fit at most places."""
    return tuple(sorted((block for block in library.values() if block.placeable), key=_rigidity))
