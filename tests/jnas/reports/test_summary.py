from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

from rich.console import Console

from jnas.reports.run import Run
from jnas.reports.summary import print_summary


def _summary(run: Run) -> str:
    console = Console(file=io.StringIO(), width=80)
    print_summary(run, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_it_says_what_was_found_where_it_lies_and_how_to_go_on(make_run: Callable[..., Run]) -> None:
    run = make_run()
    text = _summary(run)
    assert "Best tree: candidate 3" in text
    assert "88.50 %; the start tree, trained alike, 86.00 %: +2.50 points" in text
    assert "memory" in text and "run.sqlite" in text and "report.html" not in text
    assert run.command() in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("Continue")) <= 80


def test_hostile_words_do_not_reach_the_terminal(make_run: Callable[..., Run]) -> None:
    text = _summary(make_run(description="\x1b]0;title\x07[bold]x[/bold]"))
    assert "\x1b" not in text and "\x07" not in text and "[bold]x" in text


def test_of_many_candidates_the_best_are_listed(make_run: Callable[..., Run]) -> None:
    run = make_run()
    more = (replace(run.candidates[2], number=number, round=number) for number in range(5, 90))
    text = _summary(replace(run, candidates=(*run.candidates, *more)))
    assert "The best 40 of 89 trained candidates" in text and "85.12 %" in text and " 43 " not in text


def test_a_run_that_has_only_begun_has_a_summary(make_run: Callable[..., Run]) -> None:
    assert "0 trained candidates" in _summary(make_run(finished=False))
