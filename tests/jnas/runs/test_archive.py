from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jnas.evaluation.outcomes import Result, Verdict
from jnas.library.store import open_library
from jnas.planning.features import tree_features
from jnas.planning.history import Infeasible
from jnas.runs.archive import finalists, history, pending, winner
from jnas.runs.database import Attempt, Candidate, Final, RunDatabase
from jnas.trees.edits import Edit, edit_to_json
from jnas.trees.node import from_json, to_json
from jnas.trees.starts import START_TREES
from translators.diagnostics import UserError

VERDICT = Verdict(True, True, True, parameters=7, multiply_adds=8)
TREE = to_json(START_TREES["resnet8"]())
EDIT = Edit("set", ("stem",), "out_channels", 24)


def row(number: int, accuracy: float | None, **values) -> Candidate:
    result = Result("ok", accuracy) if accuracy is not None else Result("nan")
    return Candidate(number, number, 0, TREE, f"{number}", VERDICT, result=result, **values)


def test_history_tells_the_planner_what_happened_in_earlier_rounds(tmp_path: Path) -> None:
    plan = {"kind": "repeat", "way": "minimal", "parent": 0}
    child = {"parent": 0, "edit": edit_to_json(EDIT), "plan": plan}
    turned_down = Attempt(1, 0, 0, 0, "swap", "trust", "caps")
    with RunDatabase.open(tmp_path / "run.sqlite") as database:
        for candidate in (row(0, 0.5), row(1, 0.75, **child), row(2, None, **child), row(3, 0.9, **child)):
            database.add_proposal(candidate, [turned_down] if candidate.number == 1 else [])
            database.add_result(candidate.number, candidate.result)
        library = open_library()
        start, better, failed = history(database, library, before_round=3)
        assert (start.parent, start.score, start.improvement, start.kind) == (None, 0.5, None, None)
        assert (better.improvement, better.kind, better.way, better.edit) == (0.25, "repeat", "minimal", EDIT)
        assert better.infeasible == (Infeasible("swap", "trust", "caps"),)
        assert (failed.score, failed.improvement, failed.parameters) == (None, None, 7)
        assert (better.edit_kind, better.family, start.edit_kind, start.family) == ("set", "convolution", None, None)
        assert better.tree == from_json(TREE, library) and better.features == tree_features(better.tree, library)
        changed = replace(better, kind=None)  # a copy has all that the record has
        assert (changed.tree, changed.edit_kind, changed.family) == (better.tree, "set", "convolution")


def test_what_planners_seldom_look_at_is_read_when_they_do(tmp_path: Path) -> None:
    """A tree that cannot be read any more is in nobody's way: of a long run few trees are looked at."""
    child = {"parent": 0, "edit": {"kind": "set", "path": "stages.9"}, "plan": {"kind": "set", "way": "trust"}}
    with RunDatabase.open(tmp_path / "run.sqlite") as database:
        for candidate in (row(0, 0.5), replace(row(1, 0.6, **child), tree={"block": "Gone"})):
            database.add_proposal(candidate)
            database.add_result(candidate.number, candidate.result)
        _, second = history(database, open_library(), before_round=2)
        assert (second.score, second.edit_kind) == (0.6, "set")
        with pytest.raises(UserError, match="Gone"):
            second.features  # noqa: B018 - reading it is what is tested


def test_of_a_round_begun_only_the_trees_are_known(tmp_path: Path) -> None:
    """A budget that ended within a round leaves results that the rest of the round must not see."""
    plan = {"kind": "set", "way": "minimal", "parent": 0}
    with RunDatabase.open(tmp_path / "run.sqlite") as database:
        for number, slot in ((0, 0), (1, 0), (2, 1), (3, 2)):
            child = {"parent": 0, "edit": edit_to_json(EDIT), "plan": plan} if number else {}
            candidate = replace(row(number, 0.5 + number / 10, **child), round=min(number, 1), slot=slot)
            database.add_proposal(candidate)
            database.add_result(number, candidate.result)
        begun = pending(database, open_library(), 1, before_slot=2)
        assert [(record.number, record.slot, record.score, record.improvement) for record in begun] == [
            (1, 0, None, None),
            (2, 1, None, None),
        ]
        assert all(record.features and record.edit == EDIT for record in begun)


def test_finalists_are_the_best_by_validation_without_the_start_tree() -> None:
    rows = [row(0, 0.99), row(1, 0.5), row(2, 0.7), row(3, None), row(4, 0.7)]
    assert [best.number for best in finalists(rows, 3)] == [2, 4, 1]


def test_the_winner_is_the_best_finalist_on_validation_never_on_test() -> None:
    rows = [row(0, 0.5), row(1, 0.6), row(2, 0.7), row(3, 0.1)]
    finals = [
        Final(1, 0, "validation", Result("ok", 0.8)),
        Final(1, 1, "validation", Result("ok", 0.9)),
        Final(2, 0, "validation", Result("ok", 0.95)),
        Final(2, 1, "validation", Result("ok", 0.7)),
        Final(2, 0, "test", Result("ok", 1.0)),
        Final(3, 0, "validation", Result("ok", 1.0)),  # a finalist of an earlier, smaller budget
    ]
    best = winner(rows, finals, 2)
    assert best is not None and best.number == 1
    assert winner(rows, [], 1) == rows[2]
    assert winner(rows[:1], [], 1) is None
