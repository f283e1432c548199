"""Posteriors and draws against cases worked out by hand."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jnas.planning.history import History, Infeasible, Record, abridged, best, last_improving
from jnas.planning.plan import ARMS, WAYS, Settings
from jnas.planning.planners import PLANNERS, planner
from jnas.planning.thompson import Posterior, feasibility, success, thompson
from jnas.trees.edits import KINDS
from translators.diagnostics import UserError

EDIT = object()


def record(number: int, score: float | None, kind: str | None = None, way: str = "trust", **changes) -> Record:
    made = {"edit": EDIT, "kind": kind, "way": way, "parent": 0} if kind else {}
    return Record(
        number=number, round=number, slot=0, tree=None, tree_hash=str(number), score=score, parameters=1000,
        multiply_adds=10_000, **{**made, **changes},
    )  # fmt: skip


def history() -> tuple[Record, ...]:
    return (
        record(0, 0.50),
        record(1, 0.60, "swap", "trust", improvement=0.10),
        record(2, 0.50, "swap", "trust", improvement=0.0),
        record(3, None, "swap", "minimal", improvement=None),
        record(4, 0.40, "set", "reverse", improvement=-0.20, infeasible=(Infeasible("swap", "trust", "caps"),) * 3),
    )


def test_success_counts_strict_improvements_of_trained_children_only() -> None:
    assert success(history(), "swap") == Posterior(1, 2)  # equal and failed are no success, infeasible is no trial
    assert success(history(), "swap", "trust") == Posterior(1, 1)
    assert success(history(), "set") == Posterior(0, 1)
    assert success(history(), "insert") == Posterior(0, 0)


def test_feasibility_has_counts_of_its_own() -> None:
    assert feasibility(history(), "swap") == Posterior(3, 3)
    assert feasibility(history(), "swap", "trust") == Posterior(2, 3)


def test_posterior_mean_and_interval() -> None:
    assert Posterior(0, 0).mean == 0.5
    assert Posterior(0, 0).interval == pytest.approx((0.05, 0.95))
    assert Posterior(1, 2).mean == pytest.approx(2 / 5)
    assert Posterior(0, 1).interval == pytest.approx((1 - 0.95**0.5, 1 - 0.05**0.5))  # Beta(1, 2): F(x) = 1 - (1-x)^2


def test_the_best_are_ordered_and_ties_go_to_the_earlier() -> None:
    assert [r.number for r in best(history(), 3)] == [1, 0, 2]


def test_of_a_long_history_the_best_and_the_latest_remain() -> None:
    past = tuple(record(i, None if i % 5 == 0 else (i * 37 % 101) / 100) for i in range(500))
    kept = abridged(past, leaders=3, latest=100)
    assert [r.number for r in kept[3:]] == list(range(400, 500))
    earlier = sorted((r for r in past[:400] if r.score is not None), key=lambda r: (-r.score, r.number))[:3]
    assert [r.number for r in kept[:3]] == sorted(r.number for r in earlier)
    assert abridged(past, 3, 500) == past


class Watched(Record):
    """A candidate that tells when somebody looks at its score."""

    __slots__ = ()
    looked: ClassVar[set[int]] = set()

    def __getattribute__(self, name: str):
        if name == "score":
            Watched.looked.add(object.__getattribute__(self, "number"))
        return object.__getattribute__(self, name)


@pytest.mark.parametrize(
    ("name", "objectives"),
    [
        ("hierarchical", ("accuracy",)),
        ("wl_gp", ("accuracy",)),
        ("thompson", ("accuracy",)),
        ("hierarchical", ("accuracy", "parameters")),
    ],
)
def test_a_plan_looks_at_what_is_new_the_best_and_the_latest_however_long_the_history(name: str, objectives) -> None:
    looked = []
    for length in (600, 2400):
        past = History(
            Watched(i, i, 0, None, str(i), (i * 37 % 1009) / 1009, i * 53 % 997, 1, features={f"f{i % 7}": 1.0})
            for i in range(length)
        )
        chosen = Settings(objectives=objectives)
        PLANNERS[name](past, chosen, np.random.default_rng(0), frozenset(ARMS) - {"set"})
        later = past.extended([Watched(length, length, 0, None, "new", 0.5, 1, 1, features={"f0": 1.0})])
        Watched.looked.clear()
        PLANNERS[name](later, chosen, np.random.default_rng(0), frozenset((*ARMS, "trust", "reverse")) - {"set"})
        looked.append(len(Watched.looked))
    assert looked[1] < 1.2 * looked[0] < 512  # a front may grow


def test_an_extended_history_is_the_same_as_a_new_one() -> None:
    records = [
        record(i, None if i % 5 == 0 else (i * 37 % 101) / 100, "swap", improvement=i % 3 - 1) for i in range(400)
    ]
    early = History(records[:100])
    grown = early
    for i in range(100, 400, 50):
        grown = grown.extended(records[i : i + 50])
        assert best(grown, 7) == best(records[: i + 50], 7) and success(grown, "swap") == success(
            records[: i + 50], "swap"
        )
    assert tuple(grown) == tuple(records) and grown[-3:] == tuple(records[-3:]) and len(early) == 100
    assert best(early, 7) == best(records[:100], 7) and success(early, "swap") == success(records[:100], "swap")
    other = early.extended(records[300:])
    assert tuple(other) == (*records[:100], *records[300:]) and best(grown, 7) == best(records, 7)


def test_parents_are_uniform_over_the_top_k() -> None:
    drawn = Counter(thompson(history(), Settings(top_k=2), np.random.default_rng(i)).parent for i in range(400))
    assert set(drawn) == {0, 1}
    assert 150 < drawn[0] < 250


def test_without_epsilon_the_posterior_rules() -> None:
    won = tuple(record(i, 0.5 + i / 100, "insert", "minimal", improvement=0.01) for i in range(1, 30))
    lost = tuple(
        record(i, 0.1, kind, "trust", improvement=-0.1) for i, kind in enumerate(ARMS * 20, 30) if kind != "insert"
    )
    past = (record(0, 0.5), *won, *lost)
    plans = [thompson(past, Settings(epsilon=0), np.random.default_rng(i)) for i in range(50)]
    assert {plan.kind for plan in plans} == {"insert"}
    assert Counter(plan.way for plan in plans)["minimal"] > 40
    uniform = Counter(thompson(past, Settings(epsilon=1), np.random.default_rng(i)).kind for i in range(600))
    assert set(uniform) == set(ARMS)
    assert min(uniform.values()) > 60


def test_repeat_opens_once_something_has_paid_off() -> None:
    assert last_improving(history()).number == 1
    fresh = {thompson((record(0, 0.5),), Settings(), np.random.default_rng(i)).kind for i in range(200)}
    assert fresh == set(KINDS)
    later = {thompson(history(), Settings(), np.random.default_rng(i)).kind for i in range(200)}
    assert later == set(ARMS)


def test_a_plan_explains_itself_in_one_line() -> None:
    plan = thompson(history(), Settings(epsilon=0), np.random.default_rng(0))
    assert "\n" not in plan.explanation
    for word in (f"parent {plan.parent}", plan.kind, plan.way, "by posterior", "[", "feasible"):
        assert word in plan.explanation
    assert set(plan.draws["kind"]["sampled"]) == set(ARMS)


@pytest.mark.parametrize("name", [name for name in PLANNERS if name != "fairnad"])  # which has kinds of its own
@settings(deadline=None)
@given(seed=st.integers(0, 2**32), length=st.integers(1, 5), without=st.frozensets(st.sampled_from(ARMS)))
def test_every_planner_is_a_function_of_history_and_generator(name: str, seed: int, length: int, without) -> None:
    past = history()[:length]
    plan = PLANNERS[name](past, Settings(top_k=2), np.random.default_rng(seed), without)
    assert plan == PLANNERS[name](past, Settings(top_k=2), np.random.default_rng(seed), without)
    assert plan.parent in {r.number for r in past}
    assert plan.kind in ARMS and plan.way in WAYS
    if set(KINDS) - {*without}:
        assert plan.kind not in without


@pytest.mark.parametrize("name", PLANNERS)
def test_a_start_tree_that_failed_to_train_is_still_a_parent(name: str) -> None:
    assert PLANNERS[name]((record(0, None),), Settings(), np.random.default_rng(0)).parent == 0


def test_regularised_evolution_forgets_the_old() -> None:
    past = (record(0, 0.99), *(record(i, i / 1000, "set", improvement=0.0) for i in range(1, 9)))
    parents = {PLANNERS["evolution"](past, Settings(top_k=2), np.random.default_rng(i)).parent for i in range(300)}
    assert parents == {4, 5, 6, 7, 8}  # 0 to 2 died; 3 is the worst of the six alive and never wins a pair


def test_an_unknown_planner_is_one_line_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match=r"planner 'tompson'.*did you mean 'thompson'"):
        planner("tompson")
