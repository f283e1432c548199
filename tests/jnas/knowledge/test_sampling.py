"""Fairness of the draws, at every point of a run."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jnas.knowledge.ideas import Idea
from jnas.knowledge.sampling import draw_idea

# Ideas per sub-category of each category: as unequal as in real literature.
KNOWLEDGE = st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=4), min_size=1, max_size=5)


def ideas_of(sizes: list[list[int]]) -> list[Idea]:
    return [
        Idea(f"c{c}/s{s}", f"idea {c} {s} {i}", {})
        for c, subs in enumerate(sizes)
        for s, count in enumerate(subs)
        for i in range(count)
    ]


def spread(counts: Counter[str], names: set[str]) -> int:
    return max(counts[name] for name in names) - min(counts[name] for name in names)


@settings(max_examples=40, deadline=None)
@given(KNOWLEDGE, st.integers(0, 2**31), st.integers(1, 60))
def test_counts_never_differ_by_more_than_one(sizes: list[list[int]], seed: int, draws: int) -> None:
    ideas, rng = ideas_of(sizes), np.random.default_rng(seed)
    drawn: Counter[str] = Counter()
    categories: Counter[str] = Counter()
    places: Counter[str] = Counter()
    for _ in range(draws):
        idea = draw_idea(ideas, drawn, rng)
        siblings = {other.key for other in ideas if other.place == idea.place}
        assert drawn[idea.key] == min(drawn[key] for key in siblings), "an idea came again before its siblings"
        drawn[idea.key] += 1
        categories[idea.category] += 1
        places[idea.place] += 1
        assert spread(categories, {other.category for other in ideas}) <= 1
        of_category = defaultdict(set)
        for other in ideas:
            of_category[other.category].add(other.place)
        assert all(spread(places, names) <= 1 for names in of_category.values())


@given(KNOWLEDGE, st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_what_was_tried_in_vain_is_not_drawn_again_while_another_is_left(sizes: list[list[int]], seed: int) -> None:
    ideas, rng = ideas_of(sizes), np.random.default_rng(seed)
    without: set[str] = set()
    for _ in ideas:
        without.add(draw_idea(ideas, Counter(without), rng, without).key)
    assert without == {idea.key for idea in ideas}


def test_all_that_is_left_can_come_first() -> None:
    ideas = ideas_of([[2], [1, 1]])
    first = {draw_idea(ideas, {}, np.random.default_rng(seed)).key for seed in range(40)}
    assert first == {idea.key for idea in ideas}
