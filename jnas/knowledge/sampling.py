"""Attribute-fair sampling: category, then sub-category, then idea. Pure.

FairNAD draws uniformly at each level. Here the draws are counter-fair (ours): each level takes at random one of those
drawn least often, so that at any point of a run the categories differ by at most one draw, the sub-categories of a
category too, and no idea comes twice before its sub-category is exhausted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from jnas.knowledge.ideas import Idea

T = TypeVar("T", bound=Hashable)


def draw_idea(
    ideas: Sequence[Idea], drawn: Mapping[str, int], rng: np.random.Generator, without: Collection[str] = ()
) -> Idea:
    """The next idea after `drawn`: how often each idea was drawn by key. Not one of `without` where another is left."""
    known = {idea.key: idea for idea in ideas}
    categories: Counter[str] = Counter()
    places: Counter[str] = Counter()
    for key, times in drawn.items():
        if key in known:
            categories[known[key].category] += times
            places[known[key].place] += times
    open_ideas = [idea for idea in ideas if idea.key not in without] or list(ideas)
    category = least(sorted({idea.category for idea in open_ideas}), categories, rng)
    place = least(sorted({idea.place for idea in open_ideas if idea.category == category}), places, rng)
    return known[least(sorted(idea.key for idea in open_ideas if idea.place == place), drawn, rng)]


def least(items: Sequence[T], drawn: Mapping[T, int], rng: np.random.Generator) -> T:
    """One of the items drawn least often, uniformly."""
    fewest = min(drawn.get(item, 0) for item in items)
    rarest = [item for item in items if drawn.get(item, 0) == fewest]
    return rarest[int(rng.integers(len(rarest)))]
