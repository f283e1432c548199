"""The pooled posterior in simulation: what it was drawn from is known."""

from __future__ import annotations

import numpy as np
import pytest

from jnas.benchmarks import calibration
from jnas.planning import effects, wl_gp
from jnas.planning.history import Infeasible, Record
from jnas.planning.plan import ARMS, WAYS, Settings
from jnas.planning.planners import PLANNERS
from jnas.trees.edits import KINDS, Edit

PLACE = ("stages", 0, "body", 0)


def record(number: int, kind: str, way: str, improvement: float | None = None, score: float = 0.5, **changes) -> Record:
    made = {"edit": Edit("set", PLACE), "kind": kind, "way": way, "parent": 0, "improvement": improvement}
    return Record(number, number, 0, None, str(number), score, 1, 1, **{**made, **changes})


def simulated(count: int, seed: int) -> tuple[Record, ...]:
    """Swaps in the minimal way pay off, deletions never do, insertions are turned down two times of three."""
    rng = np.random.default_rng(seed)
    start = Record(0, 0, 0, None, "0", 0.5, 1, 1, features={"a": 1})
    past = [start]
    for number in range(1, count):
        kind, way = KINDS[rng.integers(len(KINDS))], WAYS[rng.integers(len(WAYS))]
        chance = 0.8 if (kind, way) == ("swap", "minimal") else 0.0 if kind == "delete" else 0.2
        improvement = 0.01 * (1 + rng.random()) * (1 if rng.random() < chance else -1)
        refused = (Infeasible("insert", way, "caps"),) * 2 if kind == "insert" else ()
        features = {f"f{rng.integers(20)}": 1.0, "a": 1.0}
        past.append(record(number, kind, way, improvement, infeasible=refused, family="mlp", features=features))
    return tuple(past)


def test_the_table_counts_each_outcome_where_it_belongs() -> None:
    past = (
        record(1, "swap", "trust", 0.02, family="mlp", features={"a": 1}),
        record(2, "set", "minimal", -0.5, infeasible=(Infeasible("insert", "reverse", "caps"),), features={"b": 1}),
    )
    tables = effects.tabulate(past)
    swap, insert = (ARMS.index("swap"), 0), (ARMS.index("insert"), WAYS.index("reverse"))
    mlp = (effects.PLACES.index("mlp"), 2)
    old = 0.5 ** (1 / effects.HALF_LIFE)
    assert tables.counts[1].sum() == pytest.approx(1 + old)
    behind = effects.STATES.index("behind")
    swapped = (*swap, *mlp, behind)
    assert tables.totals[1][swapped] == tables.totals[2][swapped] == pytest.approx(old)
    assert tables.counts[2].sum() == pytest.approx(old)  # a loss has no size of an improvement
    refused = (*insert, *effects.UNKNOWN, behind)
    assert tables.counts[0][refused] == 1 and tables.totals[0][refused] == 0


def test_parents_are_told_apart_by_standing_and_by_their_children() -> None:
    past = [Record(0, 0, 0, None, "0", 0.5, 1, 1)]
    past += [record(number, "swap", "trust", -0.1, score=0.4) for number in range(1, 5)]
    past += [record(5, "set", "trust", 0.1, score=0.6), record(6, "set", "trust", -0.1, score=0.4, parent=5)]
    states, state = effects.standings(past)
    assert [effects.STATES[i] for i in states[1:]] == ["the best"] * 3 + ["the best, tried"] * 2 + ["the best"]
    assert effects.STATES[state(0)] == "behind, tried" and effects.STATES[state(6)] == "behind"
    long = [*past, *(record(number, "swap", "trust", -0.1, score=0.3, parent=6) for number in range(7, 400))]
    assert effects.STATES[effects.standings(long)[1](5)] == "the best"  # of all, not of the latest only


def test_what_paid_off_is_believed_to() -> None:
    past = simulated(100, seed=0)
    tables = effects.tabulate(past)
    drawn = effects.outcomes(effects.draw(tables, seed=0, state=0))
    means = {name: effects.over_places(values, tables).mean(0) for name, values in drawn.items()}
    best, worst = effects.index(("swap", "minimal")), effects.index(("delete", "trust"))
    assert means["improved"][best] > 0.4 > 0.25 > means["improved"][worst]
    assert means["feasible"][effects.index(("insert", "trust"))] < 0.55 < 0.9 < means["feasible"][best]
    kinds = [PLANNERS["hierarchical"](past, Settings(diversity=0), np.random.default_rng(i)).kind for i in range(40)]
    assert kinds.count("swap") > 13 and kinds.count("delete") + kinds.count("insert") < 8


def test_intervals_cover_what_the_data_were_drawn_from() -> None:
    rows, _ = calibration.simulated(60)
    for row in rows:
        assert row.met, row


def test_nothing_compiles_again_as_data_grow() -> None:
    for count in (20, 40, 200):
        PLANNERS["hierarchical"](simulated(count, seed=count), Settings(), np.random.default_rng(0))
        PLANNERS["wl_gp"](simulated(count, seed=count), Settings(), np.random.default_rng(0)).preference.score(
            [{"a": 1}]
        )
    assert effects.program().compilations() == wl_gp.program().compilations() == 1


def test_the_same_generator_gives_the_same_plan_and_its_reasons() -> None:
    past = simulated(40, seed=3)
    one, two = (PLANNERS["hierarchical"](past, Settings(), np.random.default_rng(7)) for _ in range(2))
    assert one.to_plain() == two.to_plain() and "preference" not in one.to_plain()
    assert "\n" not in one.explanation
    for word in ("children of", str(one.parent), one.kind, one.way, "feasible", "improved", "size", "diversity", "["):
        assert word in one.explanation
    assert set(one.draws["outcomes"]) == set(effects.OUTCOMES)
    assert len(one.draws["utilities"]) == len(ARMS) * len(WAYS)


def test_places_that_paid_off_are_promised_more() -> None:
    past = [Record(0, 0, 0, None, "0", 0.5, 1, 1)]
    for number in range(1, 80):
        family = ("mlp", "attention")[number % 2]
        past.append(record(number, "swap", "trust", 0.01 if family == "mlp" else -0.01, family=family))
    tables = effects.tabulate(past)
    promise = effects.promise(effects.draw(tables, 0, 0), ("swap", "trust"), 0.0)
    assert promise["mlp", 2] > promise["attention", 2] + 0.1


def test_every_candidate_of_the_window_has_a_cell() -> None:
    """As many different cells as can be: nothing is left out, and the effects are those of the cell."""
    past = [Record(0, 0, 0, None, "0", 0.5, 1, 1)]
    refused = [Infeasible(kind, way, "caps") for kind in ARMS for way in WAYS]
    for number in range(1, 300):
        kind, way, family = ARMS[number % len(ARMS)], WAYS[number % len(WAYS)], effects.PLACES[number % 11]
        path = ("stages", number % 3, "body", number % 5)[: 2 * (number % 3)]
        parent = number - 1 if number % 7 else 0
        attempts = tuple(refused) if number % 50 == 0 else ()
        changes = {"edit": Edit("set", path), "family": family, "parent": parent, "infeasible": attempts}
        past.append(record(number, kind, way, 0.1, **changes))
    tables = effects.tabulate(past)
    which, counts, totals, squares = effects.observed(tables)
    assert counts.sum() == pytest.approx(tables.counts.sum()) and totals.sum() == pytest.approx(tables.totals.sum())
    assert set(which.sum(1)) == {0.0, float(len(effects.GROUPS))}
    assert squares.shape[1] == effects.CELLS
