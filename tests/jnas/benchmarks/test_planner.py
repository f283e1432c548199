"""Planners on small made-up tables."""

from __future__ import annotations

import itertools
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from jnas.benchmarks import __main__ as command
from jnas.benchmarks import planner
from jnas.benchmarks.arrivals import wilson
from jnas.benchmarks.cells import Space, space
from jnas.planning.plan import Settings

OPS = ("none", "skip_connect", "conv", "pool")


def made(operations, edges: int, quality) -> Space:
    cells = np.array(list(itertools.product(range(len(operations)), repeat=edges)))
    values = {"d": np.array([quality(np.bincount(cell, minlength=len(operations))) for cell in cells], float)}
    return space(operations, cells, values, values)


@pytest.fixture(scope="module")
def hill() -> Space:
    return made(OPS, 6, lambda count: 50 + 7 * count[2] - 2 * count[0] + count[3])


@pytest.mark.parametrize("name", planner.SEARCHERS)
def test_every_search_begins_alike_and_never_pays_twice(hill: Space, name: str) -> None:
    cells = list(islice(planner.SEARCHERS[name](hill, hill.search["d"], np.random.default_rng(0)), 60))
    assert len(set(cells)) == 60
    assert cells[: planner.FIRST] == np.random.default_rng(0).permutation(len(hill))[: planner.FIRST].tolist()
    again = list(islice(planner.SEARCHERS[name](hill, hill.search["d"], np.random.default_rng(0)), 60))
    assert cells == again


@pytest.mark.parametrize("name", planner.SEARCHERS)
def test_a_search_ends_with_the_space(name: str) -> None:
    tiny = made(OPS[:3], 3, lambda count: 50 + count[2])
    cells = list(planner.SEARCHERS[name](tiny, tiny.search["d"], np.random.default_rng(0)))
    assert sorted(cells) == list(range(len(tiny)))


def test_queries_are_counted_up_to_the_arrival() -> None:
    arrived = np.array([False, False, True, False])
    assert planner.count(iter([1, 2, 0]), arrived, 9) == 2
    assert planner.count(iter([1, 0, 3, 2]), arrived, 3) == 4


def test_learning_which_child_is_good_saves_queries(hill: Space) -> None:
    scores = hill.search["d"]
    arrived = scores >= scores.max() - 0.1
    needed = {
        name: np.median(
            [
                planner.count(planner.SEARCHERS[name](hill, scores, np.random.default_rng(i)), arrived, 100)
                for i in range(8)
            ]
        )
        for name in ("hierarchical", "evolution", "random")
    }
    assert needed["hierarchical"] < 0.5 * needed["evolution"] < needed["random"]


def test_diversity_leads_out_of_a_trap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deceptive landscape: every `a` is worth 5 and every `b` costs 3, but three `b` are the best of all cells.

    Whatever leads uphill leads away from them, and a model of what was seen says so too.
    """
    trap = made(("a", "b", "c", "d", "e"), 3, lambda count: 100 if count[1] == 3 else 50 + 5 * count[0] - 3 * count[1])
    scores = trap.search["d"]
    needed = {}
    for weight in (0.0, Settings().diversity):
        monkeypatch.setitem(planner.SETTINGS, "hierarchical", Settings(diversity=weight))
        searches = (planner.planned("hierarchical", trap, scores, np.random.default_rng(i)) for i in range(8))
        needed[weight] = np.mean([planner.count(cells, scores == 100, 125) for cells in searches])
    assert needed[Settings().diversity] < 0.9 * needed[0.0]


def write(path: Path) -> Path:
    cells = np.array(list(itertools.product(range(3), repeat=3)), np.uint8)
    values = 90 + (cells == 2).sum(1).astype(float)
    np.savez(path, ops=np.array(OPS[:3]), op_edges=cells, d_test_200=values, d_test_200_trial=values)
    return path


def test_the_command_shows_medians_shares_and_intervals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plot = tmp_path / "t.svg"
    arguments = ["planner", "--table", str(write(tmp_path / "t.npz")), "--seeds", "3", "--queries", "20"]
    arguments += ["--plot", str(plot)]
    assert command.main(arguments) == 0
    out = " ".join(capsys.readouterr().out.split())
    for words in ("distinct cells", "hierarchical", "queries", "interval"):
        assert words in out
    for words in ("d, one trial", "hill climbing", "<path"):
        assert words in plot.read_text()


def test_intervals_of_shares() -> None:
    low, high = wilson(np.array([0.0, 0.5, 1.0]), 100)
    assert low == pytest.approx([0.0, 0.4190, 0.9737], abs=1e-3)
    assert high == pytest.approx([0.0263, 0.5810, 1.0], abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["planner"], "expected --table FILE"), (["main-job", "--seeds", "3"], "no option --seeds for it")],
)
def test_wrong_options_are_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(arguments) == 2
    assert words in capsys.readouterr().err
