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

from jnas.knowledge.ideas import Idea, category_of

T = TypeVar("T", bound=Hashable)


def draw_idea(
    ideas: Sequence[Idea], drawn: Mapping[str, int], rng: np.random.Generator, without: Collection[str] = ()
) -> Idea:
    """The next idea after `drawn`: how often each idea was drawn by key. Not one of `without` where another is left."""
    known = {idea.key: idea for idea in ideas}
    open_keys: dict[str, list[str]] = {}  # by sub-category
    for idea in [idea for idea in ideas if idea.key not in without] or ideas:
        open_keys.setdefault(idea.place, []).append(idea.key)
    places: Counter[str] = Counter()
    for key, times in drawn.items():
        if key in known:
            places[known[key].place] += times
    categories: Counter[str] = Counter()
    for place, times in places.items():
        categories[category_of(place)] += times
    category = least(sorted({category_of(place) for place in open_keys}), categories, rng)
    place = least(sorted(place for place in open_keys if category_of(place) == category), places, rng)
    return known[least(sorted(open_keys[place]), drawn, rng)]


def least(items: Sequence[T], drawn: Mapping[T, int], rng: np.random.Generator) -> T:
    """One of the items drawn least often, uniformly."""
    fewest = min(drawn.get(item, 0) for item in items)
    rarest = [item for item in items if drawn.get(item, 0) == fewest]
    return rarest[int(rng.integers(len(rarest)))]
