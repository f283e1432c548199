from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from jnas.evaluation.outcomes import Result
from jnas.reports.content import content
from jnas.reports.run import Run, blocks_of
from jnas.reports.summary import print_summary
from jnas.runs import configuration
from jnas.runs.database import Final
from translators.diagnostics import UserError


def test_a_finished_run_names_its_winner_lineage_and_test_accuracies(make_run: Callable[..., Run]) -> None:
    run = make_run()
    assert run.best is not None and run.best.number == 3
    assert [candidate.number for candidate in run.lineage(run.best)] == [0, 1, 3]
    assert (run.final_accuracy(3), run.final_accuracy(0), run.final_accuracy(1)) == (0.885, 0.86, None)
    assert run.gain(run.best) == pytest.approx(0.0262)
    assert run.trained == 4
    assert run.input_shape == (1, 28, 28)


def test_the_tested_tree_is_the_winner_even_where_another_scored_higher_in_the_search(
    make_run: Callable[..., Run],
) -> None:
    run = make_run()
    finals = tuple(final for final in run.finals if final.number == 0)
    retested = Run(run.directory, run.configuration, run.candidates, finals=finals)
    assert retested.best is not None and retested.best.number == 3  # only the start was tested: validation decides
    settings = replace(run.configuration, final=replace(run.configuration.final, candidates=4))
    scores = [(3, "validation", 0.8), (4, "validation", 0.9), (3, "test", 0.99), (4, "test", 0.7)]
    finals = tuple(Final(number, 1, split, Result("ok", accuracy)) for number, split, accuracy in scores)
    other = Run(run.directory, settings, run.candidates, finals=finals)
    assert other.best is not None and other.best.number == 4  # also where an earlier winner has a better test accuracy


def traded(run: Run) -> Run:
    """The run as one that trades accuracy off against parameters, of which candidate 4 has few and 3 has many."""
    sizes = {0: 100, 1: 100, 2: 1, 3: 900, 4: 50}
    rows = tuple(
        replace(
            row,
            verdict=replace(row.verdict, parameters=sizes[row.number]),
            plan={"kind": "swap", "way": "trust", "explanation": "by posterior draw"} if row.number else None,
        )
        for row in run.candidates
    )
    planning = replace(run.configuration.planner, objectives=("accuracy", "parameters"))
    return replace(run, candidates=rows, configuration=replace(run.configuration, planner=planning))


def test_the_front_is_what_nothing_beats_in_every_objective(make_run: Callable[..., Run]) -> None:
    run = make_run()
    assert run.front == ()  # of one objective there is a best, and no front
    both = traded(run)
    assert [row.number for row in both.front] == [3, 4]
    found = content(both)
    assert found["front"] == [3, 4] and found["fronts"]["parameters"] == [3, 4]
    console = Console(width=100, file=io.StringIO())
    print_summary(both, console)
    assert "Pareto front of accuracy, parameters" in console.file.getvalue()


def test_the_command_that_continues_can_be_typed(make_run: Callable[..., Run]) -> None:
    words = make_run().command().split()
    assert words[:3] == ["python", "-m", "jnas.search"]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert configuration.load(options["--config"]).search.budget == 4
    assert Path(options["--run-dir"]).is_dir()
    assert options["--budget"] == "8"
    assert "--budget" not in make_run(finished=False, name="other").command()


def test_a_folder_without_a_run_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run database"):
        Run.read(tmp_path)


def test_blocks_of_finds_nested_blocks_and_no_containers() -> None:
    tree = {
        "block": "network",
        "stem": {"block": "jnas.ConvNormAct", "activation": "nn.GELU"},
        "stages": [{"block": "sequence", "body": [{"block": "a.B", "norm": {"block": "a.C"}}, {"block": "a.B"}]}],
    }
    assert list(blocks_of(tree)) == ["jnas.ConvNormAct", "a.B", "a.C", "a.B"]
