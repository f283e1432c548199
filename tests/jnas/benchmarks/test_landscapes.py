"""Made-up accuracies of real trees."""

from __future__ import annotations

import pytest

from jnas.benchmarks import landscapes
from jnas.benchmarks.landscapes import CAPS, LOWEST, SPAN, Landscape, Trial
from jnas.library.store import open_library
from jnas.models.starts import named_tree
from jnas.trees.node import canonical

LIBRARY = open_library()


def accuracy(seed: int, start: str = "resnet8") -> float:
    landscape = Landscape(seed, LIBRARY)
    tree = canonical(named_tree(start, LIBRARY, landscapes.SHAPE, landscapes.CLASSES), LIBRARY)
    costs = landscape.inspect(tree).value
    return landscape.accuracy(tree, costs["parameters"], costs["multiply_adds"])


def test_a_landscape_is_a_function_of_seed_and_tree() -> None:
    values = [accuracy(seed) for seed in range(4)]
    assert values == [accuracy(seed) for seed in range(4)] and len(set(values)) == 4
    assert all(LOWEST < value < LOWEST + SPAN for value in values)
    assert accuracy(0, "resnet14") != accuracy(0)


@pytest.mark.parametrize("planner", ["thompson", "hierarchical"])
def test_a_search_proposes_new_trees_within_the_caps(planner: str) -> None:
    trial = Trial(Landscape(0, LIBRARY), planner, seed=0)
    course = trial.run(5)
    assert len(course) == len({record.tree_hash for record in trial.history}) == 6
    assert all(record.parameters <= CAPS.parameters for record in trial.history)
    assert course == Trial(Landscape(0, LIBRARY), planner, seed=0).run(5)


def test_regret_is_told_for_every_planner(monkeypatch: pytest.MonkeyPatch) -> None:
    courses = {"hierarchical": [0.6, 0.9], "thompson": [0.6, 0.8]}
    monkeypatch.setattr(landscapes, "AFTER", (1,))
    monkeypatch.setattr(
        landscapes, "done", lambda function, jobs, results: [courses.get(job[1], [0.6, 0.7]) for job in jobs]
    )
    rows = {row.name: row for row in landscapes.measure(seeds=3, queries=1)}
    assert rows["hierarchical: regret after 1"].value == 0
    assert rows["thompson: regret after 1"].value == pytest.approx(10)
    assert rows["hierarchical before thompson after 1"].value == pytest.approx(10)
    assert (
        rows["hierarchical before thompson after 1"].met
        and "3 of 3" in rows["hierarchical before thompson after 1"].note
    )
