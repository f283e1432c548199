"""Rounds of several proposals through the real search loop, with trainings that only pretend to take time."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from jnas.evaluation.outcomes import Result
from jnas.evaluation.pool import Reply
from jnas.library.store import open_library
from jnas.models.costs import inspect
from jnas.planning.planners import PLANNERS, planner
from jnas.reports.live import LiveView
from jnas.resolving.choosers import UniformChooser
from jnas.runs.configuration import Configuration, PlannerSettings, SearchSettings
from jnas.runs.database import RunDatabase
from jnas.runs.directory import RunDirectory
from jnas.runs.phases import Phases
from jnas.searching.steps import Search
from jnas.trees.node import Node, from_json, tree_hash

LIBRARY, SHAPE = open_library(), (1, 28, 28)


@cache
def costs(tree: Node) -> Reply:
    found = inspect(tree, LIBRARY, SHAPE, 10, 8)
    shapes = {path: (cost.in_shape, cost.out_shape) for path, cost in found.nodes.items()}
    counts = {"parameters": found.parameters, "multiply_adds": found.multiply_adds}
    return Reply("ok", {**counts, "shapes": shapes})


@dataclass(frozen=True)
class Pretended:
    """The accuracy is a number that the tree alone decides; workers finish in an order of their own."""

    configuration: Configuration
    shape: tuple[int, int, int] = SHAPE
    classes: int = 10

    def inspect(self, tree: Node) -> Reply:
        return costs(tree)

    def train(
        self,
        trees: Sequence[Mapping[str, Any]],
        progress: Callable[[int, Mapping[str, Any]], None],
        finished: Callable[[int, Result], None],
    ) -> None:
        workers = self.configuration.search.workers
        for index in random.Random(workers).sample(range(len(trees)), len(trees)):
            value = int(tree_hash(from_json(trees[index], LIBRARY), LIBRARY)[:8], 16) / 2**32
            finished(index, Result("ok", accuracy=round(0.5 + 0.4 * value, 6), latency=random.random()))


def searched(folder: Path, name: str, workers: int, size: int = 4, budget: int = 16, **planning: Any) -> list[tuple]:
    """(round, slot, tree, plan) of every candidate."""
    directory = RunDirectory(folder / f"{name}{workers}")
    directory.root.mkdir(exist_ok=True)
    configuration = replace(
        Configuration(sources=(), start="resnet8"),
        planner=PlannerSettings(name, **planning),
        search=SearchSettings(budget=budget, round_size=size, workers=workers, seed=3),
    )
    with RunDatabase.open(directory.database) as database:
        view = LiveView("", budget, quiet=True)
        parts = (Pretended(configuration), planner(name), UniformChooser(), Phases(database, "starting"), view)
        Search(configuration, directory, database, LIBRARY, *parts).run_rounds()
        return [(row.round, row.slot, row.tree_hash, row.plan) for row in database.candidates()]


@pytest.mark.parametrize(
    ("name", "objectives"),
    [
        *(
            (name, ("accuracy",)) for name in PLANNERS if name != "fairnad"
        ),  # which needs ideas, and has tests of its own
        ("hierarchical", ("accuracy", "parameters")),
        ("nsga2", ("accuracy", "parameters", "multiply_adds")),
    ],
)
def test_any_number_of_workers_plans_the_same(name: str, objectives: tuple[str, ...], tmp_path: Path) -> None:
    one, two, eight = (searched(tmp_path, name, count, budget=8, objectives=objectives) for count in (1, 2, 8))
    assert one == two == eight
    assert len({tree for *_, tree, _ in one}) == 9


def test_the_plan_of_a_child_says_what_was_expected_of_it(tmp_path: Path) -> None:
    rows = searched(tmp_path, "hierarchical", 1)
    plan = rows[-1][3]
    child = plan["draws"]["child"]
    assert child["low"] < child["mean"] < child["high"] and 0 <= child["gain"] <= 1
    assert "this child: better than" in plan["explanation"] and "\n" not in plan["explanation"]


def test_a_budget_that_grows_within_a_round_changes_nothing(tmp_path: Path) -> None:
    whole = searched(tmp_path, "hierarchical", 1, budget=8)
    part = searched(tmp_path, "hierarchical", 2, budget=6)
    assert whole[:7] == part
    assert searched(tmp_path, "hierarchical", 2, budget=8) == whole


def test_accuracy_and_size_are_traded_off(tmp_path: Path) -> None:
    alone = searched(tmp_path, "nsga2", 1)
    both = searched(tmp_path, "nsga2", 2, objectives=("accuracy", "parameters"))
    assert [tree for *_, tree, _ in alone] != [tree for *_, tree, _ in both]
