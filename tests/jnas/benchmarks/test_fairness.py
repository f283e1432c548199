"""Fair and uniform sampling of ideas on small made-up tables."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
import pytest

from jnas.benchmarks import fairness
from jnas.benchmarks.cells import Space
from tests.jnas.benchmarks.test_planner import OPS, made
from translators.diagnostics import UserError


@pytest.fixture(scope="module")
def rare() -> Space:
    """What is worth most is what is written about least: pooling, when popularity goes as in the literature."""
    return made(OPS, 6, lambda count: 50 + 7 * count[3] - 2 * count[2])


def test_popular_operations_have_most_ideas_and_balanced_ones_equally_many(rare: Space) -> None:
    def counted(popularity: str, seed: int = 0) -> Counter[str]:
        ideas = fairness.literature(rare, popularity, np.random.default_rng(seed))
        assert len({idea.key for idea in ideas}) == len(ideas)
        return Counter(OPS[int(idea.category)] for idea in ideas)

    assert [name for name, _ in counted("literature").most_common()] == ["conv", "pool", "skip_connect", "none"]
    assert set(counted("balanced").values()) == {fairness.IDEAS // len(OPS)}
    assert len({counted("any", seed).most_common(1)[0][0] for seed in range(20)}) == len(OPS)


@pytest.mark.parametrize("fair", [True, False])
def test_searches_begin_alike_and_never_pay_twice(rare: Space, fair: bool) -> None:
    ideas = fairness.literature(rare, "any", np.random.default_rng(1))
    cells = list(islice(fairness.searched(rare, rare.search["d"], ideas, fair, np.random.default_rng(0)), 80))
    assert len(set(cells)) == 80
    assert cells[: fairness.FIRST] == np.random.default_rng(0).permutation(len(rare))[: fairness.FIRST].tolist()


def test_an_idea_puts_its_operation_on_a_way_into_its_node(rare: Space) -> None:
    idea = fairness.Idea("3/3", "pool into the last node", {})
    before = rare.edges[0]
    after = {fairness.applied(rare, 0, idea, np.random.default_rng(seed)) for seed in range(20)}
    expected = {rare.number_of[(*before[:edge], 3, *before[edge + 1 :])] for edge in (3, 4, 5)}
    assert after == expected


def test_where_the_rare_is_good_fairness_pays(rare: Space) -> None:
    few = made(OPS, 6, lambda count: 50 + 7 * count[1] - 2 * count[2])  # shortcuts: hardly anybody writes of them
    gains = [
        fairness.found(few, "d", "literature", True, seed, 25) - fairness.found(few, "d", "literature", False, seed, 25)
        for seed in range(30)
    ]
    assert np.mean(gains) > 0


def test_rows_say_the_difference_and_its_interval() -> None:
    fair, uniform = np.array([91.0, 92.0, 93.0]), np.array([90.0, 92.0, 91.0])
    (row,) = fairness.summary("any: d", fair, uniform)
    assert row.value == 1.0 and row.met and "2 seeds better, 0 worse" in row.note
    (row,) = fairness.summary("any: d", uniform, fair)
    assert not row.met


def test_without_a_table_it_says_what_to_give() -> None:
    with pytest.raises(UserError, match="--table FILE"):
        fairness.measure()
