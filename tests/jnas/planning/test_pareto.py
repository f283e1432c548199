"""Fronts and mixtures against cases worked out by hand."""

from __future__ import annotations

from itertools import chain, islice

import numpy as np
import pytest

from jnas.planning.history import History, Record
from jnas.planning.pareto import crowding, foremost, front, measured, scalarised, sorted_fronts
from jnas.planning.plan import Settings
from jnas.planning.planners import PLANNERS, check_objectives
from translators.diagnostics import UserError

BOTH = ("accuracy", "parameters")


def record(number: int, score: float | None, parameters: int, **changes) -> Record:
    return Record(number, number, 0, None, str(number), score, parameters, 1, features={f"f{number}": 1.0}, **changes)


def test_the_front_is_what_nothing_dominates() -> None:
    values = np.random.default_rng(0).integers(0, 6, (60, 3)).astype(float)
    found = front(values)
    for i, row in enumerate(values):
        dominated = ((values >= row).all(1) & (values > row).any(1)).any()
        twin = any((values[j] == row).all() for j in range(i))
        assert (i in found) == (not dominated and not twin)
    fronts = list(sorted_fronts(values))
    assert fronts[0] == found and sorted(chain(*fronts)) == list(range(60))


@pytest.mark.parametrize("objectives", [BOTH[:1], BOTH, (*BOTH, "latency")])
@pytest.mark.parametrize("name", ["nsga2", "fairnad"])
def test_a_history_that_grows_leads_to_the_plans_of_a_new_one(name: str, objectives: tuple[str, ...]) -> None:
    """Values of few levels, so that many are equal, and some that are not known."""
    chance, settings, grown = np.random.default_rng(0), Settings(top_k=2, objectives=objectives), History()
    for number in range(120):
        score = None if number % 7 == 3 else float(chance.integers(1 + number // 10))
        latency = None if number % 11 == 5 else float(chance.integers(4))
        grown = grown.extended([record(number, score, int(chance.integers(5)), latency=latency)])
        plan, other = (PLANNERS[name](past, settings, np.random.default_rng(number)) for past in (grown, tuple(grown)))
        assert plan == other
        known, values = measured(grown, objectives)
        fronts = [[known[i] for i in front] for front in islice(sorted_fronts(values), 4)]
        assert list(foremost(grown, objectives, 4)) == sorted(chain(*fronts), key=lambda row: row.number)


def test_crowding_is_the_sum_of_the_gaps_around() -> None:
    values = np.array([[0.0, 4.0], [1.0, 3.0], [3.0, 1.0], [4.0, 0.0]])
    assert crowding(values).tolist() == [np.inf, 1.5, 1.5, np.inf]


def test_what_has_no_latency_is_no_candidate_for_it() -> None:
    history = (record(0, 0.5, 9), record(1, 0.6, 9, latency=0.1), record(2, None, 9, latency=0.1))
    known, values = measured(history, ("accuracy", "latency"))
    assert [row.number for row in known] == [1] and values.tolist() == [[0.6, -0.1]]


def test_every_part_of_a_front_is_the_best_of_some_mixture() -> None:
    """The middle of this front is concave: no sum of accuracy and size would ever prefer it."""
    history = tuple(record(i, *values) for i, values in enumerate([(0.9, 900), (0.62, 450), (0.6, 100), (0.1, 950)]))
    leaders = set()
    for seed in range(60):
        mixed = scalarised(history, BOTH, 10, np.random.default_rng(seed))
        leaders.add(max(mixed, key=lambda row: row.score).number)
    assert leaders == {0, 1, 2}


def test_improvement_is_of_the_same_mixture() -> None:
    history = (record(0, 0.5, 500), record(1, 0.6, 900, parent=0, improvement=0.1))
    seen = {np.sign(scalarised(history, BOTH, 10, np.random.default_rng(i))[1].improvement) for i in range(40)}
    assert seen == {-1, 1}  # better and larger: it depends on what counts


@pytest.mark.parametrize("name", ["nsga2", "hierarchical"])
def test_small_ones_become_parents_where_size_counts(name: str) -> None:
    history = (*(record(i, 0.5 + 0.01 * i, 1000 + 100 * i) for i in range(30)), record(30, 0.1, 10))

    def parents(*objectives: str) -> set[int]:
        settings = Settings(objectives=objectives, diversity=0.0)
        return {PLANNERS[name](history, settings, np.random.default_rng(i)).parent for i in range(60)}

    assert 30 not in parents("accuracy") and 30 in parents(*BOTH)


@pytest.mark.parametrize(
    ("name", "objectives", "says"),
    [
        ("hierarchical", ("accuracy", "latancy"), "did you mean 'latency'"),
        ("hierarchical", ("parameters",), "expected 'accuracy' and others"),
        ("hierarchical", ("accuracy", "accuracy"), "each of them once"),
        ("thompson", BOTH, "sees the accuracy alone; choose one of hierarchical"),
    ],
)
def test_objectives_that_cannot_be_are_one_line(name: str, objectives: tuple[str, ...], says: str) -> None:
    with pytest.raises(UserError, match=says):
        check_objectives(name, objectives)
    check_objectives("hierarchical", BOTH)
