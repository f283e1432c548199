"""From a plan to one concrete edit: the rules enumerate, somebody chooses, the rules make the edit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from typing import TypeVar

import numpy as np

from jnas.library.binding import Shape
from jnas.library.block import Block
from jnas.planning.features import family_of, tree_features
from jnas.planning.history import Record, candidate, folded
from jnas.planning.plan import Aim, Plan, Preference
from jnas.resolving.choosers import Chooser, UniformChooser
from jnas.resolving.directions import Direction, aim, settings
from jnas.resolving.questions import FENCE, Choice, Question, clean, fenced, fill, labelled, pick_one, settle
from jnas.resolving.stripping import stripped
from jnas.trees.composites import MOST_PARTS, composites
from jnas.trees.edits import Edit, apply, describe, name_at, node_name, place_name
from jnas.trees.node import Node, Path, Value, get, tree_hash
from jnas.trees.options import Options, depth, draws
from jnas.trees.remembered import per_library
from jnas.trees.scope import EVERYTHING, Scope
from jnas.trees.shapes import ShapeError

T = TypeVar("T")

MOST_OPTIONS = 20  # of places, blocks or changes in one question
MOST_ARGUMENTS = 6
MOST_VALUES = 8
PAST_EDITS = 5
DRAWN = 24  # edits that a planner's preference ranks
SHORTLIST = 6  # of the best of them that are put to the chooser

REQUESTS = {
    "set": "Where to change a setting?",
    "swap": "Which part to replace by another block?",
    "insert": "Where to insert a block?",
    "delete": "Which part to delete?",
    "compose": "Which part to combine with another block?",
}


class NothingPossible(Exception):
    """No edit of the planned kind fits this tree; the message says which. `choices` led there, perhaps to an `aim`."""

    def __init__(self, message: str, choices: tuple[tuple[Question, Choice], ...] = (), aim: Aim | None = None) -> None:
        super().__init__(message)
        self.choices, self.aim = choices, aim


@dataclass(frozen=True)
class Proposal:
    """An edit, the tree that it makes, and the questions that led to it.

    `tree` is what comes of `later` edits too, where the `aim` takes more than one. `parent` is the number of what is
    edited, where that was still open in the plan.
    """

    edit: Edit
    tree: Node
    choices: tuple[tuple[Question, Choice], ...]
    later: tuple[Edit, ...] = ()
    aim: Aim | None = None
    parent: int | None = None


def ask(
    question: Question, chooser: Chooser, rng: np.random.Generator, asked: list[tuple[Question, Choice]]
) -> Mapping[str, str]:
    """An answer that names listed options; question and choice go to `asked`."""
    seed = int(rng.integers(2**31))
    choice = settle(question, chooser.choose(question, seed), seed)
    asked.append((question, choice))
    return choice.values


@dataclass
class Dialogue:
    """One proposal in the making: what everybody who chooses can see, and what was asked and answered."""

    options: Options
    kind: str
    direction: Direction | None
    minimal: bool
    chooser: Chooser
    rng: np.random.Generator
    context: str
    source_of: Callable[[Block], str]
    choices: list[tuple[Question, Choice]] = field(default_factory=list)
    more_parts: bool = True  # whether the rules may add blocks to a composition

    @property
    def tree(self) -> Node:
        return self.options.tree

    @property
    def library(self) -> Mapping[str, Block]:
        return self.options.library

    def ask(self, question: Question) -> Mapping[str, str]:
        return ask(question, self.chooser, self.rng, self.choices)

    def pick(self, request: str, name: str, items: Sequence[T], line: Callable[[T], str]) -> T:
        """One of the items; a single one needs no question."""
        if len(items) == 1:
            return items[0]
        answer = self.ask(pick_one(self.context, request, name, [line(item) for item in items]))
        return items[int(answer[name]) - 1]


def resolve(
    plan: Plan,
    history: Sequence[Record],
    tree: Node,
    library: Mapping[str, Block],
    shape: Shape,
    chooser: Chooser,
    rng: np.random.Generator,
    goal: str = "higher validation accuracy",
    source_of: Callable[[Block], str] = lambda block: "",
    known: Collection[str] = (),
    scope: Scope = EVERYTHING,
) -> Proposal:
    """One edit of the planned kind. `tree` is the parent, `goal` a line on the data set and the caps, `source_of` gives
    the source of a block for choosers that read it, `known` are the hashes of trees that were proposed before,
    `scope` limits what is offered.

    trust: the chooser takes place, block or setting, and arguments. reverse: the same among edits that turn the recent
    direction round. minimal: place, block or setting are drawn, the chooser fills the values. Answers outside the
    listed options become uniform draws. A plan with a preference has whole edits of its parents drawn as in the minimal
    way; the minimal way, or nobody to ask, takes the best of them, the others ask about the few best. Raises
    NothingPossible.
    """
    kind, direction = aim(plan, history, library, shape)
    made = _composites(history, library)
    context = describe_situation(plan, history, goal, direction)
    options = Options(tree, library, shape, made, scope)
    dialogue = Dialogue(options, kind, direction, plan.way == "minimal", chooser, rng, context, source_of)
    if plan.preference is None:
        edit = choose_edit(dialogue)
        return Proposal(edit, apply(tree, edit), tuple(dialogue.choices))
    parent, edit = _choose_preferred(dialogue, plan.preference, history, known)
    return Proposal(edit, apply(candidate(history, parent).tree, edit), tuple(dialogue.choices), parent=parent)


def _composites(history: Sequence[Record], library: Mapping[str, Block]) -> dict[str, Node]:
    """Of all edits so far; those of other kinds are not even read."""
    nothing: dict[str, Node] = {}
    step = _more_composites(library)
    return folded(history, step, step, nothing)


@per_library
def _more_composites(library: Mapping[str, Block]) -> Callable[[dict[str, Node], Iterable[Record]], dict[str, Node]]:
    def step(found: dict[str, Node], records: Iterable[Record]) -> dict[str, Node]:
        composed = (record.edit for record in records if record.edit_kind == "compose" and record.edit is not None)
        return {**found, **composites(composed, library)}

    return step


def _choose_preferred(
    dialogue: Dialogue, preference: Preference, history: Sequence[Record], known: Collection[str]
) -> tuple[int, Edit]:
    """The best of some random edits to new trees, or what the chooser takes of the few best; with the parent's number.

    The edits are of all parents that the preference names, in turn: which parent is worth it shows in its children.
    """
    library, parents = dialogue.library, [candidate(history, number) for number in preference.parents]
    shape, made, scope = dialogue.options.shape, dialogue.options.composites, dialogue.options.scope
    each = [Options(parent.tree, library, shape, made, scope) for parent in parents]
    drawings = [
        replace(dialogue, options=options, minimal=True, chooser=UniformChooser(), choices=[]) for options in each
    ]
    found: dict[str, tuple[Record, Edit, Node]] = {}
    for _, parent, drawing in zip(range(DRAWN), cycle(parents), cycle(drawings), strict=False):
        with suppress(NothingPossible):
            edit = choose_edit(drawing)
            child = apply(parent.tree, edit)
            found.setdefault(tree_hash(child, library), (parent, edit, child))
    fresh = [child for name, child in found.items() if name not in known]
    if not fresh:
        raise NothingPossible(f"no {dialogue.kind} of {DRAWN} drawn leads to a new tree")
    scores = preference.score(
        [tree_features(child, library) for _, _, child in fresh],
        [(family_of(edit, parent.tree, library), depth(edit.path)) for parent, edit, _ in fresh],
    )
    ranked = [fresh[i][:2] for i in np.argsort(-scores, kind="stable")]
    if dialogue.minimal or isinstance(dialogue.chooser, UniformChooser):  # chance knows less than the preference
        chosen = ranked[0]
    else:
        shortlist = [ranked[i] for i in dialogue.rng.permutation(min(SHORTLIST, len(ranked)))]
        chosen = dialogue.pick("Which edit?", "edit", shortlist, lambda item: _edit_line(*item))
    return chosen[0].number, chosen[1]


def _edit_line(parent: Record, edit: Edit) -> str:
    return f"of network {parent.number} ({parent.score or 0:.3f}): {describe(edit, parent.tree)}"


def random_edit(options: Options, kind: str, rng: np.random.Generator) -> Edit:
    """An edit as the minimal way draws it, every choice uniform. Raises NothingPossible."""
    nobody = UniformChooser()
    return choose_edit(Dialogue(options, kind, None, True, nobody, rng, "", lambda block: ""))


def choose_edit(dialogue: Dialogue) -> Edit:
    """Place, block or setting, and arguments, one after another. Raises NothingPossible."""
    path = _choose_place(dialogue)
    if dialogue.kind == "set":
        name, args = _choose_change(dialogue, path)
    elif dialogue.kind == "delete":
        name, args = None, {}
    else:
        name = _choose_block(dialogue, path)
        args = _choose_arguments(dialogue, path, name)
    edit = _fitting_edit(dialogue, path, name, args)
    return _with_more_parts(dialogue, edit) if dialogue.kind == "compose" and dialogue.more_parts else edit


def _choose_place(dialogue: Dialogue) -> Path:
    direction = dialogue.direction
    keep: Callable[[Path], object] | None = None
    if direction and dialogue.kind == "delete":
        keep = direction.has_place
    elif direction and dialogue.kind == "set":
        keep = lambda path: _changes(dialogue, path)[0]  # noqa: E731
    paths = _offered(dialogue, dialogue.options.draw_places(dialogue.kind, dialogue.rng), keep)
    if not paths:
        raise NothingPossible(f"{dialogue.kind} is possible nowhere in this tree")
    return dialogue.pick(REQUESTS[dialogue.kind], "place", paths, lambda path: _place_line(dialogue, path))


def _choose_block(dialogue: Dialogue, path: Path) -> str:
    keep = dialogue.direction.has_block if dialogue.direction else None
    blocks = _offered(dialogue, dialogue.options.draw_blocks(dialogue.kind, path, dialogue.rng), keep)
    request = f"{_here(dialogue, path)}{_sources(dialogue, blocks)}\nWhich block there?"
    return dialogue.pick(request, "block", blocks, _block_line).name


def _with_more_parts(dialogue: Dialogue, edit: Edit) -> Edit:
    """The composition with none to three blocks more, drawn by the rules (ours)."""
    for _ in range(int(dialogue.rng.integers(MOST_PARTS - 1))):
        longer = dialogue.options.extended(edit, dialogue.rng)
        if longer is None:
            break
        edit = longer
    return edit


def _choose_arguments(dialogue: Dialogue, path: Path, name: str) -> dict[str, Value]:
    offered = dialogue.options.arguments(dialogue.kind, path, name)
    open_ones = {argument: values for argument, values in offered.items() if argument.isascii() and len(values) > 1}
    if not open_ones:
        return {}
    domains = {
        argument: labelled(_few(values, dialogue.rng)) for argument, values in list(open_ones.items())[:MOST_ARGUMENTS]
    }
    request = f"{_here(dialogue, path, name)}\nWhich settings for the new block?"
    answer = dialogue.ask(fill(dialogue.context, request, domains))
    return {argument: domains[argument][label] for argument, label in answer.items()}


def _choose_change(dialogue: Dialogue, path: Path) -> tuple[str, dict[str, Value]]:
    """An argument of the node at `path` and its new value."""
    in_direction, every = _changes(dialogue, path)
    changes = in_direction or every
    if dialogue.minimal:
        names = sorted({argument for argument, _ in changes})
        argument = names[int(dialogue.rng.integers(len(names)))]
        changes = [change for change in changes if change[0] == argument]
    old = settings(dialogue.tree, path, dialogue.library, dialogue.options.shape)
    offered = list(islice(draws(changes, lambda change: change[0], dialogue.rng), MOST_OPTIONS))
    argument, value = dialogue.pick(
        f"{_here(dialogue, path)}\nWhich new setting?",
        "setting",
        offered,
        lambda change: f"{change[0]} {_value(old.get(change[0]))} -> {_value(change[1])}",
    )
    return argument, {argument: value}


def _changes(dialogue: Dialogue, path: Path) -> tuple[list[tuple[str, Value]], list[tuple[str, Value]]]:
    """(argument, new value) that keep to the direction, and all of them."""
    offered = dialogue.options.arguments("set", path, None)
    every = [(argument, value) for argument, values in offered.items() for value in values]
    direction = dialogue.direction
    if direction is None:
        return [], every
    old = settings(dialogue.tree, path, dialogue.library, dialogue.options.shape)
    return [change for change in every if direction.has_change(change[0], old.get(change[0]), change[1])], every


def _fitting_edit(dialogue: Dialogue, path: Path, name: str | None, args: Mapping[str, Value]) -> Edit:
    """The edit with as many of the arguments, from the first on, as fit together: each fits alone."""
    kept = list(args.items())
    while True:
        try:
            return dialogue.options.make_edit(dialogue.kind, path, name, dict(kept))
        except ShapeError as error:
            if not kept or dialogue.kind == "set":
                raise NothingPossible(str(error)) from error
            kept.pop()


# Drawing what is offered


def _offered(dialogue: Dialogue, drawn: Iterator[T], keep: Callable[[T], object] | None) -> list[T]:
    """What is drawn first: one in the minimal way, else up to MOST_OPTIONS. Small models lean to the first lines.

    Those to `keep`, or all when there are none: a direction is a wish.
    """
    if keep is not None:
        every = list(drawn)
        drawn = iter([item for item in every if keep(item)] or every)
    return list(islice(drawn, 1 if dialogue.minimal else MOST_OPTIONS))


def _few(values: Sequence[T], rng: np.random.Generator) -> list[T]:
    """Up to MOST_VALUES in random order, for the same reason."""
    return [values[i] for i in rng.permutation(len(values))[:MOST_VALUES]]


# In words


def describe_situation(plan: Plan, history: Sequence[Record], goal: str, direction: Direction | None = None) -> str:
    """What all questions of one proposal begin with; what changes least comes first, for models that cache prefixes."""
    parent = candidate(history, plan.parent)
    score = "no accuracy yet" if parent.score is None else f"accuracy {parent.score:.3f}"
    lines = [
        f"Goal: {clean(goal, 200)}.",
        f"Network {parent.number}: {score}, {parent.parameters:,} parameters, {parent.multiply_adds:,} multiply-adds.",
    ]
    edited = list(islice((record for record in reversed(history) if record.edit_kind is not None), PAST_EDITS))
    if edited:
        past = [f"{_outcome(record)} {_words(record, history)}" for record in reversed(edited)]
        lines += ["Last edits and the change of accuracy:", fenced(past)]
    if direction:
        task = "Do the reverse of this edit:" if direction.reverse else "Go on in the direction of this edit:"
        lines += [task, fenced([direction.edit])]
    return "\n".join(lines)


def _words(record: Record, history: Sequence[Record]) -> str:
    assert record.edit is not None and record.parent is not None
    return describe(record.edit, candidate(history, record.parent).tree)


def _outcome(record: Record) -> str:
    return "failed" if record.improvement is None else f"{record.improvement:+.3f}"


def _here(dialogue: Dialogue, path: Path, name: str | None = None) -> str:
    """The place that was chosen and the block, if one was."""
    block = [] if name is None else [_block_line(dialogue.options.block(name))]
    return "Chosen:\n" + fenced([_place_line(dialogue, path), *block])


def _sources(dialogue: Dialogue, blocks: Sequence[Block]) -> str:
    """What the blocks do, as stripped source, for choosers that read it."""
    if not dialogue.chooser.reads_source or len(blocks) < 2:
        return ""
    shown = {block.name: stripped(dialogue.source_of(block)) for block in blocks if block.name in dialogue.library}
    listed = ["\n".join((FENCE, *lines, FENCE)) for lines in shown.values() if lines]
    return "\nThe blocks:\n" + "\n".join(listed) if listed else ""


def _place_line(dialogue: Dialogue, path: Path) -> str:
    """The place, what stands there and its shapes: "stage 2 block 1, BasicResidual, 16x28x28 to 32x14x14"."""
    words = place_name(path)
    if dialogue.kind == "insert":
        siblings, position = get(dialogue.tree, path[:-1]), int(path[-1])
        if position < len(siblings):
            return f"{words}, before {node_name(siblings[position])}"
        return f"{words}, after {node_name(siblings[-1])}" if siblings else f"{words}, before the head"
    before, after = dialogue.options.ends(path)
    return f"{words}, {name_at(dialogue.tree, path)}, {_size(before)} to {_size(after)}"


def _block_line(block: Block) -> str:
    return f"{node_name(Node(block.name))}, {block.family}" + (f": {block.description}" if block.description else "")


def _size(shape: Shape) -> str:
    return "x".join(map(str, shape))


def _value(value: Value) -> str:
    return "default" if value is None else str(value)
