"""From an aim to edits: which idea, which kind of edit, where, with what; several edits one after another.

The rules enumerate what serves the aim and somebody chooses, as for any plan (see resolve.py). Of blocks those come
first whose names say what the aim is about: so a small model, or chance, does not take just any block of a family.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np

from jnas.library.binding import Shape
from jnas.library.block import Block
from jnas.planning.history import Record
from jnas.planning.plan import Aim, Plan
from jnas.resolving.choosers import Chooser
from jnas.resolving.questions import Choice, Question, clean, fenced, pick_one
from jnas.resolving.resolve import Dialogue, NothingPossible, Proposal, ask, choose_edit, describe_situation
from jnas.trees.edits import Edit, apply, describe
from jnas.trees.node import Node
from jnas.trees.options import Options
from jnas.trees.scope import Scope

T = TypeVar("T")

RELATED = 0.5  # share of the best relation that a block needs to be offered
RARE = 0.1  # a word says something about a block when at most this share of all blocks has it
IDEA_LIMIT = 300  # characters

KIND_LINES = {
    "set": "set: change a setting of what is there",
    "swap": "swap: replace a part by another block",
    "insert": "insert: add a block to a chain",
    "delete": "delete: take a part away",
    "compose": "compose: join a part with another block",
}


def realise(
    plan: Plan,
    history: Sequence[Record],
    tree: Node,
    library: Mapping[str, Block],
    shape: Shape,
    chooser: Chooser,
    rng: np.random.Generator,
    goal: str,
    source_of: Callable[[Block], str] = lambda block: "",
    problems: Sequence[str] = (),
    named: bool = False,
) -> Proposal:
    """The edits that one of the plan's aims takes. `problems`: what was wrong with earlier tries.

    `named`: only blocks whose name says what the aim is about may come in. Raises NothingPossible.
    """
    asked: list[tuple[Question, Choice]] = []
    context = describe_situation(plan, history, goal)

    def choose(request: str, name: str, items: Sequence[T], line: Callable[[T], str]) -> T:
        if len(items) == 1:
            return items[0]
        answer = ask(pick_one(context, request, name, [line(item) for item in items]), chooser, rng, asked)
        return items[int(answer[name]) - 1]

    aim = choose("Which idea to realise?", "idea", plan.aims, lambda aim: aim.words)
    context += f"\nRealise this idea:\n{fenced([aim.words], IDEA_LIMIT)}"
    if problems:
        context += f"\nEarlier tries failed:\n{fenced(problems)}"
    blocks = None if not aim.families else _blocks(aim, library, named)
    scope = Scope(blocks, aim.roles, aim.forms or None, aim.where, aim.sign)
    edits: list[Edit] = []
    before = tree
    try:
        for _ in range(aim.edits):
            options = Options(before, library, shape, scope=scope)
            kinds = [kind for kind in aim.kinds if next(options.draw_places(kind, rng), None) is not None]
            if not kinds:
                raise NothingPossible(f"no {' or '.join(aim.kinds)} fits this tree for: {clean(aim.words, 200)}")
            kind = choose("By which kind of edit?", "kind", kinds, KIND_LINES.__getitem__)
            edit = choose_edit(Dialogue(options, kind, None, False, chooser, rng, context, source_of, asked, False))
            context += f"\nDone so far:\n{fenced([describe(edit, before)])}"
            edits.append(edit)
            before = apply(before, edit)
    except NothingPossible as nothing:
        if not edits:
            raise NothingPossible(str(nothing), tuple(asked), aim) from None
    return Proposal(edits[0], before, tuple(asked), tuple(edits[1:]), aim)


def related(words: str, blocks: Iterable[Block]) -> dict[str, float]:
    """How much the names of blocks have in common with a text, by what is rare among names; those that have any."""
    named = {block.name: words_of(_last(block.name)) for block in blocks}
    common = Counter(word for own in named.values() for word in own)
    told, most = words_of(words), max(3.0, RARE * len(named))
    weights = {word: math.log(1 + len(named) / times) for word, times in common.items() if times <= most}
    found = {name: sum(weights.get(word, 0.0) for word in own if word in told) for name, own in named.items()}
    return {name: weight for name, weight in found.items() if weight > 0}


def words_of(text: str) -> set[str]:
    """Lower-case stems of the words of a text or of a CamelCase name, and of neighbours written together."""
    parts = [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", text)]
    stems = [_stem(part) for part in parts]
    return {stem for stem in stems if len(stem) > 1} | {a + b for a, b in pairwise(parts)}


def _stem(word: str) -> str:
    for ending in ("ations", "ation", "ings", "ing", "ised", "ed", "es", "e", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _blocks(aim: Aim, library: Mapping[str, Block], named: bool) -> frozenset[str]:
    """Those of the families whose names are about the aim; without any, all of the families."""
    family = [block for block in library.values() if block.placeable and block.family in aim.families]
    about = related(aim.words, family)
    best = max(about.values(), default=0.0)
    closest = frozenset(name for name, weight in about.items() if weight >= RELATED * best)
    if named and not closest:
        raise NothingPossible(f"no block is named after: {clean(aim.words, 200)}", (), aim)
    return closest or frozenset(block.name for block in family)
