"""The stages of FairNAD, as plans and through the real search loop with trainings that only pretend."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jnas.knowledge.ideas import Knowledge, read_ideas
from jnas.knowledge.template import template
from jnas.planning.fairnad import (
    FAIR,
    ITERATIVE,
    KNOWLEDGE,
    OFFERED,
    PARETO,
    SCALE_UP,
    STAGES,
    TUNE,
    by_knowledge,
    fairnad,
    stage_of,
)
from jnas.planning.hierarchical import hierarchical
from jnas.planning.history import History, Infeasible, Record
from jnas.planning.plan import Settings
from jnas.planning.planners import planner
from jnas.reports import credit
from jnas.reports.live import LiveView
from jnas.reports.run import Run
from jnas.resolving.choosers import UniformChooser
from jnas.runs.configuration import Configuration, PlannerSettings, SearchSettings, to_toml
from jnas.runs.database import RunDatabase
from jnas.runs.directory import RunDirectory
from jnas.runs.phases import Phases
from jnas.searching.preparation import open_knowledge
from jnas.searching.steps import Search
from jnas.trees.edits import Edit
from tests.jnas.planning.test_rounds import LIBRARY, Pretended

STARTER = Knowledge(template(), read_ideas("starter"))
SETTINGS = Settings(knowledge=STARTER, stages=(2, 1, 1))
FIRST = STARTER.ideas[0].key


def record(number: int, score: float | None, parameters: int = 1000, **changes) -> Record:
    return Record(
        number=number, round=number, slot=0, tree=None, tree_hash=str(number), score=score, parameters=parameters,
        multiply_adds=10_000, parent=None if number == 0 else 0, **changes,
    )  # fmt: skip


def plan(history: list[Record], settings: Settings = SETTINGS, seed: int = 0, without: frozenset[str] = frozenset()):
    return fairnad(history, settings, np.random.default_rng(seed), without)


def test_a_round_has_its_stages_in_order() -> None:
    assert [stage_of(number, (8, 8, 4)) for number in (1, 8, 9, 16, 17, 20, 21)] == [
        FAIR, FAIR, PARETO, PARETO, ITERATIVE, ITERATIVE, FAIR,
    ]  # fmt: skip
    assert {stage_of(number, (0, 3, 0)) for number in range(1, 20)} == {PARETO}


def test_ideas_that_were_drawn_in_vain_count_as_drawn() -> None:
    past = [
        record(0, 0.5),
        record(1, 0.6, idea=FIRST, way=FAIR, infeasible=(Infeasible("idea", FAIR, "caps", "x/y/z"),)),
    ]
    ideas = tuple(idea for idea in STARTER.ideas if idea.place == STARTER.ideas[0].place)
    settings = replace(SETTINGS, knowledge=Knowledge(template(), ideas[:2]))
    assert {plan(past, settings, seed).aims[0].idea for seed in range(5)} == {ideas[1].key}
    assert plan(past, settings, without=frozenset([ideas[1].key])).aims[0].idea == FIRST


def test_a_history_that_grows_leads_to_the_plans_of_a_new_one() -> None:
    chance, grown = np.random.default_rng(0), History()
    for number in range(60):
        idea, stage = STARTER.ideas[int(chance.integers(40))].key, STAGES[int(chance.integers(3))]
        refused = (Infeasible("idea", stage, "caps", STARTER.ideas[int(chance.integers(40))].key),)
        parent = int(chance.integers(number)) if number else None
        score, way = float(chance.random()), KNOWLEDGE if number % 3 == 1 else stage
        made = record(number, score, int(chance.integers(9)), idea=idea, kind="idea", way=way, infeasible=refused)
        grown = grown.extended([replace(made, parent=parent)])
        for planned in (fairnad, by_knowledge):
            plans = [planned(past, SETTINGS, np.random.default_rng(number)) for past in (grown, tuple(grown))]
            assert plans[0] == plans[1]


def test_a_long_line_of_descent_is_no_trouble() -> None:
    line = [replace(record(number, number / 3000), parent=number - 1 if number else None) for number in range(3000)]
    assert stage_of(3000, SETTINGS.stages) == ITERATIVE
    assert plan(line).parent == 2999


def test_the_aim_says_what_the_sub_category_allows() -> None:
    aim = plan([record(0, 0.5)]).aims[0]
    idea = next(idea for idea in STARTER.ideas if idea.key == aim.idea)
    sub = template().subs[idea.place]
    assert (aim.words, aim.kinds, aim.families, aim.where) == (idea.text, sub.kinds, sub.families, sub.where)


def test_pareto_aware_parents_stand_on_the_front() -> None:
    past = [record(0, 0.5, 500), record(1, 0.9, 5000), record(2, 0.6, 6000)]
    plans = [plan(past, seed=seed) for seed in range(30)]
    assert {found.way for found in plans} == {PARETO}
    assert {found.parent for found in plans} == {0, 1}
    assert {found.kind for found in plans} == {SCALE_UP, TUNE}
    assert {plan(past, seed=seed, without=frozenset([SCALE_UP])).kind for seed in range(9)} == {TUNE}


def test_iterative_candidates_go_on_from_the_best_with_ideas_like_and_unlike_its_own() -> None:
    past = [record(0, 0.5), record(1, 0.9, idea=FIRST, way=FAIR), record(2, 0.6), record(3, 0.55)]
    found = plan(past)
    assert (found.way, found.parent, len(found.aims)) == (ITERATIVE, 1, OFFERED)
    place = FIRST.rpartition("/")[0]
    similar = [aim for aim in found.aims if aim.words.startswith("similar: ")]
    assert similar and all(aim.idea.startswith(place) for aim in similar)
    assert all(not aim.idea.startswith(place) for aim in found.aims if aim.words.startswith("opposite: "))
    assert all(aim.edits >= 2 for aim in found.aims)


def test_without_ideas_every_candidate_is_pareto_aware() -> None:
    assert plan([record(0, 0.5)], Settings()).way == PARETO


def test_ideas_are_one_more_way_of_the_hierarchical_planner() -> None:
    edit = Edit("set", ())
    idea = {"idea": FIRST, "kind": "idea", "way": KNOWLEDGE, "edit": edit}
    useless = {"kind": "swap", "way": "trust", "improvement": -0.1, "edit": edit}
    ideas_pay = [record(0, 0.5), *(record(i, 0.6, improvement=0.1, **idea) for i in range(1, 20))]
    ideas_pay += [record(i, 0.4, **useless) for i in range(20, 40)]
    plans = [hierarchical(ideas_pay, SETTINGS, np.random.default_rng(seed)) for seed in range(10)]
    assert all(found.way == KNOWLEDGE and found.aims for found in plans)
    ideas_do_not = [record(0, 0.5), *(record(i, 0.4, improvement=-0.1, **idea) for i in range(1, 9))]
    ideas_do_not += [record(i, 0.6, **{**useless, "improvement": 0.1}) for i in range(9, 12)]
    plans = [hierarchical(ideas_do_not, SETTINGS, np.random.default_rng(seed)) for seed in range(10)]
    assert sum(found.way == KNOWLEDGE for found in plans) < 5
    same = (hierarchical(ideas_pay[:1], Settings(), np.random.default_rng(1)) for _ in range(2))
    assert {found.way == KNOWLEDGE for found in same} == {False}


def searched(folder: Path, workers: int, budget: int = 8) -> Run:
    directory = RunDirectory(folder / f"run{workers}")
    directory.root.mkdir(exist_ok=True)
    configuration = replace(
        Configuration(sources=(), start="resnet8"),
        planner=PlannerSettings("fairnad", stages=(4, 2, 2)),
        search=SearchSettings(budget=budget, round_size=8, workers=workers, seed=1),
    )
    directory.configuration.write_text(to_toml(configuration))
    knowledge = open_knowledge(configuration, directory, LIBRARY)
    with RunDatabase.open(directory.database) as database:
        view = LiveView("", budget, quiet=True)
        parts = (Pretended(configuration), planner("fairnad"), UniformChooser(), Phases(database, "starting"), view)
        Search(configuration, directory, database, LIBRARY, *parts, knowledge).run_rounds()
    return Run.read(directory.root)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return searched(tmp_path_factory.mktemp("fairnad"), 1, budget=16)


def rows(run: Run) -> list[tuple]:
    return [(row.round, row.slot, row.tree_hash, row.idea, row.plan and row.plan["way"]) for row in run.candidates]


def test_two_rounds_without_a_language_model(finished: Run) -> None:
    found = finished.candidates[1:]
    assert Counter(row.plan["way"] for row in found) == {FAIR: 8, PARETO: 4, ITERATIVE: 4}
    assert all((row.idea is None) == (row.plan["way"] == PARETO) for row in found)
    assert len({row.tree_hash for row in finished.candidates}) == 17
    assert finished.front and finished.objectives == ("accuracy", "parameters", "multiply_adds")


def test_the_draws_of_a_run_are_fair_and_counted(finished: Run) -> None:
    fair = [use for use in credit.uses(finished) if use.stage == FAIR]
    drawn = Counter(str(use.idea).partition("/")[0] for use in fair)
    categories = [category.name for category in template().categories]
    assert max(drawn.values()) - min(drawn[name] for name in categories) <= 1
    stages = {found.name: found for found in credit.by_stage(credit.uses(finished))}
    assert stages.keys() == {*STAGES}
    assert sum(found.count(lambda use: use.passed) for found in stages.values()) == 16
    assert stages[FAIR].count(lambda use: use.passed) == 8


def test_a_run_that_goes_on_elsewhere_is_the_same(finished: Run, tmp_path: Path) -> None:
    part = searched(tmp_path, 2, budget=11)
    assert rows(part) == rows(finished)[:12]
    assert rows(searched(tmp_path, 2, budget=16)) == rows(finished)


def test_the_run_keeps_the_ideas_that_it_began_with(finished: Run) -> None:
    assert finished.ideas == STARTER.ideas
    assert {row.idea for row in finished.candidates} - {None} <= {idea.key for idea in STARTER.ideas}
