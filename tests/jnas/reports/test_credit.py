"""What became of ideas, counted by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from jnas.evaluation.outcomes import Result, Verdict
from jnas.reports import credit
from jnas.reports.content import content
from jnas.reports.run import Run
from jnas.runs.database import Attempt, Candidate

WIDE, GATE, DEEP = "width/overall width/1", "channel attention/light gates/2", "depth/removal/3"


def candidate(number: int, accuracy: float | None, idea: str | None = None, way: str = "attribute-fair") -> Candidate:
    result = Result("ok", accuracy) if accuracy is not None else Result("nan")
    verdict = Verdict(True, True, True, parameters=1, multiply_adds=1)
    plan = {"kind": "idea", "way": way, "explanation": ""} if number else None
    parent = 0 if number else None
    return Candidate(number, number, 0, {}, str(number), verdict, parent, None, "", plan, result, idea=idea)


def attempt(slot_of: int, attempt: int, idea: str, description: str = "insert", reason: str = "caps") -> Attempt:
    return Attempt(slot_of, 0, attempt, 0, "idea", "attribute-fair", reason, "", description, idea)


@pytest.fixture
def run(make_run: Callable[..., Run]) -> Run:
    """Slot 1: WIDE after two repairs. Slot 2: GATE found no edit, DEEP was no better. Slot 3: GATE failed to train."""
    return replace(
        make_run(),
        candidates=(
            candidate(0, 0.5),
            candidate(1, 0.6, WIDE),
            candidate(2, 0.45, DEEP),
            candidate(3, None, GATE, "iterative"),
            candidate(4, 0.7, None, "Pareto-aware"),
        ),
        attempts=(
            attempt(1, 0, WIDE),
            attempt(1, 1, WIDE),
            attempt(2, 0, GATE, "", "nothing possible"),
        ),
    )


def test_every_draw_is_counted_once_with_what_became_of_it(run: Run) -> None:
    found = {each.name: each for each in credit.by_idea(credit.uses(run))}
    counts = {name: [each.to_plain()[key] for key in ("drawn", "edits", "trained")] for name, each in found.items()}
    assert counts == {WIDE: [1, 1, 1], GATE: [2, 1, 0], DEEP: [1, 1, 1]}
    assert found[GATE].cells()[:3] == (GATE, "2", "1 of 2")
    assert (found[GATE].passed.successes, found[GATE].passed.failures) == (1, 1)
    assert (found[GATE].better.successes, found[GATE].better.failures) == (0, 1)
    assert found[WIDE].gain == "+10.00" and found[GATE].gain == "-"


def test_stages_count_candidates_without_an_idea_too(run: Run) -> None:
    stages = {each.name: each for each in credit.by_stage(credit.uses(run))}
    assert {name: len(each.uses) for name, each in stages.items()} == {
        "attribute-fair": 3,
        "iterative": 1,
        "Pareto-aware": 1,
    }
    assert stages["attribute-fair"].gain.startswith("+2.50 [")
    assert sum(len(each.uses) for each in credit.by_category(credit.uses(run))) == 4


def test_the_report_shows_it_and_other_runs_do_not(run: Run, make_run: Callable[..., Run]) -> None:
    other = make_run(name="other")
    start = other.candidates[0]
    rows = tuple(replace(row, tree=start.tree, verdict=start.verdict) for row in run.candidates)
    found = content(replace(run, candidates=rows, finals=()))["knowledge"]
    assert {row["name"] for row in found["ideas"]} == {WIDE, GATE, DEEP}
    assert [row["name"] for row in found["stages"]] == ["attribute-fair", "iterative", "Pareto-aware"]
    assert credit.uses(other) == () and not credit.tables(other) and content(other)["knowledge"] is None
    assert len(credit.tables(run)) == 2


def test_arms_count_every_proposal(run: Run) -> None:
    found = {each["name"]: each for each in (row.to_plain() for row in credit.by_arm(run))}
    fair = found["idea, attribute-fair"]
    assert (fair["drawn"], fair["passed"][:2], fair["better"][:2]) == (5, (2, 5), (1, 2))
    assert fair["gain"][0] == pytest.approx(0.025) and found["idea, iterative"]["gain"] == ()
