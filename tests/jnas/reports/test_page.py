"""The page in a browser: what a reader sees and clicks, and that nothing of a run becomes more than text."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from jnas.evaluation.outcomes import Result
from jnas.reports import html
from jnas.reports.run import Run
from jnas.reports.serve import Follower, server
from jnas.runs.database import Attempt, Choice, RunDatabase
from tests.jnas.reports.chromium import Browser, chromium
from tests.jnas.reports.test_html import HOSTILE

QUESTION = "Where to insert?\n```\n1: before the stem\n2: after stage 3\n```\nAnswer with a number."


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def planned(make_run: Callable[..., Run]) -> Run:
    """The run with plans and questions of a planner that says what it expects."""
    run = make_run()
    outcomes = {"feasible": [0.8, 0.5, 0.9], "improved": [0.4, 0.1, 0.7]}
    kinds = ("", "set", "delete", "insert", "swap")
    rows = [
        row
        if row.parent is None
        else replace(
            row,
            edit={"kind": kinds[row.number]},
            plan={
                "kind": kinds[row.number],
                "way": "trust",
                "explanation": f"because of {row.number}",
                "draws": {"outcomes": outcomes, "utilities": {"insert trust": 0.7, "set trust": 0.2}},
            },
        )
        for row in run.candidates
    ]
    choices = [Choice(row.round, 0, 1, 0, QUESTION, {"place": "2"}, "llm", 300, "", 1.5) for row in rows[1:]]
    return replace(run, candidates=tuple(rows), choices=tuple(choices))


def show(browser: Browser, run: Run, **how: object) -> None:
    path = run.directory.root / "page.html"
    html.write(run, path)
    browser.open(path.as_uri(), **how)  # type: ignore[arg-type]


NUMBERS = "#candidate-table tbody td:first-child"


def test_the_page_draws_all_of_a_run_and_asks_nobody(browser: Browser, planned: Run) -> None:
    show(browser, planned)
    words = " ".join(browser.texts("main"))
    for expected in (
        "88.50 %",
        "start tree 86.00 %",
        "85.12 %",
        "4 of 4",
        "insert, trust",
        "jnas.SqueezeExcite",
        "memory",
    ):
        assert expected in words, expected
    assert browser.ask("document.querySelectorAll('#accuracy svg[role=img] path.best').length") == 2
    assert browser.complaints == [] and browser.requests == [browser.ask("location.href")]


def test_candidates_are_filtered_by_words_status_and_kind(browser: Browser, planned: Run) -> None:
    show(browser, planned)
    assert browser.texts(NUMBERS) == ["#0", "#1", "#2", "#3", "#4"]
    browser.enter("#filter-text", "stage SQUEEZE")
    assert browser.texts(NUMBERS) == ["#3"]
    browser.enter("#filter-text", "")
    browser.enter("#filter-status", "failed")
    assert browser.texts(NUMBERS) == ["#2"]
    browser.enter("#filter-status", "improved")
    assert browser.texts(NUMBERS) == ["#1", "#3"]
    browser.enter("#filter-kind", "set")
    assert browser.texts(NUMBERS) == ["#1"]
    browser.enter("#filter-text", "no such words")
    assert browser.texts(NUMBERS) == [] and "No candidate is like that." in browser.texts("#candidate-table")[0]


def test_a_click_on_a_heading_sorts_and_another_one_turns_the_order(browser: Browser, planned: Run) -> None:
    show(browser, planned)
    heading = "#candidate-table th:nth-child(4) button"
    browser.click(heading)
    assert browser.texts(NUMBERS) == ["#3", "#4", "#1", "#0", "#2"]  # what failed comes last
    browser.click(heading)
    assert browser.texts(NUMBERS) == ["#0", "#1", "#4", "#3", "#2"]


def test_the_lineage_shows_tree_reasons_and_questions_of_each_step(browser: Browser, planned: Run) -> None:
    show(browser, planned)
    assert browser.texts(".lineage summary .number") == ["#0", "#1", "#3"]
    browser.until("document.querySelectorAll('.lineage .tree').length === 2")  # few steps are open from the beginning
    last = browser.texts(".lineage > li:last-child")[0]
    for expected in ("because of 3", "improved", "Where to insert? after stage 3", "300 tokens", "turned down, caps"):
        assert expected in last, expected
    assert browser.texts(".lineage > li:last-child .came .chip") == ["SqueezeExcite"]


def test_a_row_opens_what_led_to_the_candidate_and_its_parent_is_a_click_away(browser: Browser, planned: Run) -> None:
    show(browser, planned)
    browser.click("#candidate-table tbody tr:nth-child(5) td.words")
    assert "Candidate 4" in browser.texts("dialog[open]")[0]
    browser.until("document.querySelector('dialog .tree') !== null")
    browser.click("dialog dd button.link")
    assert "Candidate 3" in browser.texts("dialog[open]")[0]


def test_many_candidates_come_page_by_page(browser: Browser, planned: Run) -> None:
    last = planned.candidates[-1]
    more = tuple(replace(last, number=number, round=number) for number in range(5, 250))
    show(browser, replace(planned, candidates=(*planned.candidates, *more)))
    assert len(browser.texts(NUMBERS)) == 50 and "1–50 of 250" in browser.texts("#candidate-table .pager")[0]
    browser.click("#candidate-table .on")
    assert browser.texts(NUMBERS)[0] == "#50"
    browser.click("#candidate-table tbody tr:last-child button")  # of another packed part than the first rows
    browser.until("document.querySelector('dialog .tree') !== null")
    assert browser.complaints == []


@pytest.mark.parametrize("dark", [False, True])
def test_light_and_dark_follow_the_reader_and_a_button(browser: Browser, planned: Run, dark: bool) -> None:
    show(browser, planned, dark=dark)
    ground = "getComputedStyle(document.body).backgroundColor"
    light, other = "rgb(255, 255, 255)", "rgb(20, 22, 26)"
    assert browser.ask(ground) == (other if dark else light)
    browser.click(".theme")
    assert browser.ask(ground) == (light if dark else other)


def test_nothing_reaches_over_the_edge_of_a_phone(browser: Browser, planned: Run) -> None:
    show(browser, planned, width=390)
    browser.until("document.querySelector('.lineage .tree') !== null")
    assert browser.ask("document.documentElement.scrollWidth") <= 390


def test_hostile_texts_are_inert_wherever_they_stand(browser: Browser, planned: Run) -> None:
    text = " ".join(HOSTILE) + "<img src=x onerror=document.title='broken'>"
    rows = [
        replace(
            row,
            description=text,
            idea=text,
            edit={"kind": text},
            plan={"kind": text, "way": text, "explanation": text, "draws": {"outcomes": {text: [0.5, 0.4, 0.6]}}},
            result=row.result
            and replace(row.result, message=text, status=row.result.status if row.number < 2 else text),
            tree={"block": f"evil.{text}"},
        )
        for row in planned.candidates
    ]
    attempts = [Attempt(row.round, 0, 0, 0, text, text, text, text, text) for row in rows[1:]]
    choices = [Choice(row.round, 0, 1, 0, text, {text: text}, text, 1, text) for row in rows[1:]]
    run = replace(planned, candidates=tuple(rows), attempts=tuple(attempts), choices=tuple(choices))
    run = replace(run, phases={text: 1.0}, versions={text: text})
    show(browser, run)
    browser.ask("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
    browser.click("#candidate-table tbody button")
    browser.until("document.querySelector('dialog .attempt, dialog .details p') !== null")
    assert "<img src=x onerror=" in browser.texts("#candidate-table")[0]
    assert browser.ask("document.querySelectorAll('img, iframe, object, body style, body svg[onload]').length") == 0
    assert browser.ask("document.querySelectorAll('script').length") == 3  # content, one part, ours
    assert browser.ask(r"/[\u202e\u001b]/.test(document.querySelector('main').textContent)") is False
    assert browser.ask("document.title").startswith("jnas: ") and browser.complaints == []
    assert browser.requests == [browser.ask("location.href")]


@contextmanager
def serving(folder: Path, port: int = 0) -> Iterator[int]:
    with server(Follower(folder), port) as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield found.server_port
        found.shutdown()
        thread.join()


def test_a_served_page_follows_the_run_and_survives_its_server(browser: Browser, make_run: Callable[..., Run]) -> None:
    folder, whole = make_run(finished=False).directory.root, make_run(name="other")
    with serving(folder) as port:
        browser.open(f"http://127.0.0.1:{port}/")
        browser.until("document.querySelector('.state').textContent === 'following'")
        assert browser.texts(NUMBERS) == ["#0"]
        browser.enter("#filter-text", "stage")
        with RunDatabase.open(folder / "run.sqlite") as database:
            database.add_proposal(replace(whole.candidates[1], result=None))
        browser.until("document.querySelector('#candidate-table').textContent.includes('waiting')")
        with RunDatabase.open(folder / "run.sqlite") as database:
            database.add_result(1, Result("ok", 0.9123))
        browser.until("document.querySelector('#candidate-table').textContent.includes('91.23 %')")
        assert (
            browser.texts(NUMBERS) == ["#1"] and browser.ask("document.querySelector('#filter-text').value") == "stage"
        )
        browser.click(f"{NUMBERS} button")
        browser.until("document.querySelector('dialog .tree') !== null")
        assert browser.complaints == [] and {url.split("/")[2] for url in browser.requests} == {f"127.0.0.1:{port}"}
    browser.until("document.querySelector('.state').classList.contains('lost')")
    with serving(folder, port):
        browser.until("document.querySelector('.state').textContent === 'following'")
