"""The direction of a past edit, so that a later one can go on in it or turn it round (the rules are ours). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from jnas.library.binding import Shape, bind
from jnas.library.block import Block
from jnas.library.exact import bind_exact
from jnas.planning.features import family_of
from jnas.planning.history import Record, candidate, last_improving, last_of_kind
from jnas.planning.plan import REPEAT, Plan
from jnas.trees.edits import Edit, describe
from jnas.trees.node import Node, Path, Value, get
from jnas.trees.scope import sign
from jnas.trees.shapes import infer


@dataclass(frozen=True)
class Direction:
    """What the past edit did, as far as its kind has a direction.

    A set: its argument, and up or down where that can be told; swap, insert and compose: the family that came in;
    delete: the stage. Reversed, an edit moves the same argument the other way, brings another family, or deletes in
    another stage.
    """

    edit: str  # in words
    argument: str | None = None
    sign: int = 0
    family: str | None = None
    stage: Path = ()
    reverse: bool = False

    def has_change(self, argument: str, old: Value, new: Value) -> bool:
        if argument != self.argument:
            return False
        return not self.sign or sign(old, new) == (-self.sign if self.reverse else self.sign)

    def has_block(self, block: Block) -> bool:
        return (block.family == self.family) != self.reverse

    def has_place(self, path: Path) -> bool:
        return (path[:2] == self.stage) != self.reverse


def aim(
    plan: Plan, history: Sequence[Record], library: Mapping[str, Block], shape: Shape
) -> tuple[str, Direction | None]:
    """The kind of edit that the plan comes to, and the direction that its options shall keep to, if any.

    "repeat" takes kind and direction of the last edit that paid off; the way "reverse" turns round the direction of the
    last edit of its kind. Raises ValueError when there is nothing to repeat, which no planner asks for.
    """
    source = last_improving(history) if plan.kind == REPEAT else None
    if source is None and plan.way == "reverse":
        source = last_of_kind(history, plan.kind)
    if source is None and plan.kind == REPEAT:
        raise ValueError("nothing has paid off yet, so there is nothing to repeat")
    if source is None or source.edit is None or source.parent is None:
        return plan.kind, None
    before = candidate(history, source.parent).tree
    return source.edit.kind, replace(direction(source.edit, before, library, shape), reverse=plan.way == "reverse")


def direction(edit: Edit, tree: Node, library: Mapping[str, Block], shape: Shape) -> Direction:
    """The direction of an edit of `tree`, whose input has `shape`."""
    words = describe(edit, tree)
    match edit.kind:
        case "set":
            path, argument, value = edit.settings[0]  # those that change together go one way
            old = settings(tree, edit.path + path, library, shape).get(argument)
            return Direction(words, argument=argument, sign=sign(old, value))
        case "delete":
            return Direction(words, stage=edit.path[:2])
    return Direction(words, family=family_of(edit, tree, library))


def settings(tree: Node, path: Path, library: Mapping[str, Block], shape: Shape) -> Mapping[str, Value]:
    """Every argument of the node at `path` as it is in force: given, bound to the place, or default."""
    node = get(tree, path)
    if node.is_container:
        return node.args
    defaults = {parameter.name: parameter.default for parameter in library[node.block].parameters}
    before = infer(tree, library, shape)[path][0]
    if node.exact:
        return defaults | bind_exact(node.args, before)
    return defaults | bind(library[node.block], node.args, before)
