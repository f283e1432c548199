"""Fair and uniform sampling of ideas on small made-up tables."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
import pytest

from jnas.benchmarks import fairness
from jnas.benchmarks.cells import Space
from jnas.knowledge.ideas import Idea
from jnas.knowledge.template import LEVELS, template
from tests.jnas.benchmarks.test_planner import OPS, made
from translators.diagnostics import UserError


@pytest.fixture(scope="module")
def hill() -> Space:
    return made(OPS, 6, lambda count: 50 + 7 * count[3] - 2 * count[2])


def test_a_cell_expresses_sub_categories_of_the_template_on_every_level() -> None:
    assert fairness.CHANGES.keys() <= template().subs.keys()
    assert {template().level(place) for place in fairness.CHANGES} == {*LEVELS}


def test_some_sub_categories_have_most_ideas_in_another_order_for_each_seed() -> None:
    def counted(popularity: str, seed: int = 0) -> Counter[str]:
        ideas = fairness.literature(popularity, np.random.default_rng(seed))
        assert len({idea.key for idea in ideas}) == len(ideas)
        return Counter(idea.place for idea in ideas)

    assert {place for seed in range(30) for place, _ in counted("uneven", seed).most_common(1)} == {*fairness.CHANGES}
    assert max(counted("uneven").values()) > 8 * min(counted("uneven").values())
    assert max(counted("starter").values()) < 1.5 * min(counted("starter").values())


@pytest.mark.parametrize("fair", [True, False])
def test_searches_begin_with_the_residual_cell_and_never_pay_twice(hill: Space, fair: bool) -> None:
    ideas = fairness.literature("uneven", np.random.default_rng(1))
    cells = list(islice(fairness.searched(hill, hill.search["d"], ideas, fair, np.random.default_rng(0)), 81))
    assert len(set(cells)) == 81
    assert cells[0] == hill.number_of[2, 0, 0, 1, 2, 0]  # 0-1, 0-2, 1-2, 0-3, 1-3, 2-3


def test_a_round_is_planned_from_what_was_known_before_it(hill: Space) -> None:
    ideas = fairness.literature("uneven", np.random.default_rng(1))
    scores = hill.search["d"]
    cells = list(islice(fairness.searched(hill, scores, ideas, True, np.random.default_rng(0)), 41))
    near = {child for place in fairness.CHANGES for child in fairness.changed(hill, cells[0], place)}
    assert sum(cell in near for cell in cells[1:21]) >= min(len(near), 15)
    leaders = sorted(cells[:21], key=lambda cell: (-scores[cell], cell))[: fairness.TOP]
    near = {child for cell in leaders for place in fairness.CHANGES for child in fairness.changed(hill, cell, place)}
    assert {*cells[21:]} <= near


@pytest.mark.parametrize(
    ("place", "edges", "expected"),
    [
        ("multiple branches/feature reuse", (2, 3, 2, 3, 0, 3), [(2, 3, 2, 3, 1, 3)]),
        ("depth/stage depth", (2, 2, 2, 2, 1, 0), [(2, 2, 2, 2, 2, 0)]),
        ("depth/removal", (2, 0, 0, 0, 2, 0), [(1, 0, 0, 0, 2, 0), (0, 0, 0, 0, 0, 0)]),
        ("cheap features/pointwise squeezing", (2, 2, 2, 2, 2, 2), []),
    ],
)
def test_an_idea_changes_one_way_as_its_sub_category_says(
    hill: Space, place: str, edges: tuple[int, ...], expected: list[tuple[int, ...]]
) -> None:
    found = fairness.changed(hill, hill.number_of[edges], place)
    assert found == sorted(hill.number_of[cell] for cell in expected)


def test_a_branch_may_lead_through_a_node_that_led_nowhere(hill: Space) -> None:
    found = fairness.changed(hill, hill.number_of[2, 0, 0, 1, 2, 0], "multiple branches/parallel paths")
    assert hill.number_of[2, 3, 0, 1, 2, 2] in found and hill.number_of[2, 3, 0, 1, 2, 1] in found


def test_where_the_rare_is_good_fairness_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fairness, "ROUND", 4)
    wide = made(OPS, 6, lambda count: 80 - 5 * count[0])  # every closed way costs
    popular = [Idea(place, f"{i}", {}) for i in range(60) for place in ("composition/exchanged parts", "depth/removal")]
    ideas = (*popular, Idea("multiple branches/parallel paths", "open a way", {}))
    gains = []
    for seed in range(10):
        best = [
            max(wide.search["d"][cell] for cell in islice(_search(wide, ideas, fair, seed), 21))
            for fair in (True, False)
        ]
        gains.append(best[0] - best[1])
    assert np.mean(gains) > 0


def _search(space: Space, ideas, fair: bool, seed: int):
    return fairness.searched(space, space.search["d"], ideas, fair, np.random.default_rng(seed))


def test_a_table_without_a_residual_cell_is_refused() -> None:
    with pytest.raises(UserError, match="no residual cell"):
        fairness.residual_cell(made(("conv", "pool"), 3, lambda count: 50 + count[0]))


def test_rows_say_the_difference_and_its_interval() -> None:
    fair, uniform = np.array([91.0, 92.0, 93.0]), np.array([90.0, 92.0, 91.0])
    (row,) = fairness.summary("uneven, 20 candidates: d", fair, uniform)
    assert row.value == 1.0 and row.met and "2 seeds better, 0 worse" in row.note
    (row,) = fairness.summary("uneven, 20 candidates: d", uniform, fair)
    assert not row.met


def test_without_a_table_it_says_what_to_give() -> None:
    with pytest.raises(UserError, match="--table FILE"):
        fairness.measure()
