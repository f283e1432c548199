"""Who proposes: chance, a language model among listed edits, or one that writes code; equal numbers of tries."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count

from jnas.benchmarks.rows import Row
from jnas.reports.run import blocks_of
from jnas.runs import archive
from jnas.runs.configuration import Configuration, load
from jnas.runs.database import Choice
from jnas.searching.preparation import rehearsal
from jnas.searching.steps import Search

TRIES = 40
EXECUTED = ("caps", "duplicate")  # reasons to turn a tree down that say that it executes
QUESTIONS = 100
MEDIAN_SECONDS = 3.0


@dataclass(frozen=True)
class Outcome:
    """Of one proposer. A try is a proposal, or a text that was written."""

    tries: int
    executable: int
    blocks: int
    seconds: float
    choices: Sequence[Choice]


def measure(tries: int = TRIES, questions: int = QUESTIONS, llm: str = "local") -> Sequence[Row]:
    """From the quickstart's start tree and library, untrained. `llm` is asked; see jnas.search --llm."""
    base = load("quickstart")
    chance = _edits(_with(base, "none"), lambda job: _tries(job) >= tries)
    chosen = _edits(_with(base, llm), lambda job: _tries(job) >= tries and len(_asked(job)) >= questions)
    written = _code(_with(base, llm, proposer="code", calls=tries))
    names = {"uniform edits": chance, f"edits, {llm}": chosen, f"code, {llm}": written}
    rows = []
    for name, found in names.items():
        rows += [
            Row(
                f"{name}: executable",
                found.executable / max(1, found.tries),
                note=f"{found.executable} of {found.tries} tries",
            ),
            Row(f"{name}: distinct blocks", found.blocks),
            Row(f"{name}: per try", found.seconds / max(1, found.tries), "s"),
        ]
    return [*rows, *_answers([choice for choice in chosen.choices if choice.source != "uniform"])]


def _answers(asked: Sequence[Choice]) -> list[Row]:
    """What the model's answers among listed options were like."""
    valid = sum(choice.source == "llm" for choice in asked)
    places = [place for choice in asked for place in _places(choice)]
    error = (1 / 12 / max(1, len(places))) ** 0.5
    return [
        Row("questions asked", len(asked)),
        Row("answers valid by the schema", valid / max(1, len(asked)), low=1.0),
        Row(
            "seconds a question, median",
            statistics.median([c.seconds for c in asked] or [0.0]),
            "s",
            high=MEDIAN_SECONDS,
        ),
        Row("tokens a question, median", statistics.median([c.tokens for c in asked] or [0])),
        Row(
            "position of the answer in its list",
            statistics.fmean(places) if places else 0.5,
            note=f"0 is the first line, 1 the last; chance gives 0.5 +- {2 * error:.2f} (two standard errors)",
        ),
    ]


def _places(choice: Choice) -> list[float]:
    """Where the answers to numbered questions stand, from 0 to 1; the lists are in random order."""
    lines = [line for line in choice.question.split("```")[-2].splitlines() if line.partition(":")[0].isdigit()]
    numbers = [int(value) for value in choice.answer.values() if value.isdigit()]
    return [(number - 0.5) / len(lines) for number in numbers if 1 <= number <= len(lines)]


def _with(base: Configuration, llm: str, **changes: object) -> Configuration:
    settings = replace(base.llm, name=llm, **changes)  # type: ignore[arg-type]
    return replace(base, llm=settings, search=replace(base.search, budget=10**6, round_size=1, workers=1))


def _edits(configuration: Configuration, enough) -> Outcome:
    """Proposals by edits until there are enough."""
    with rehearsal(configuration, quiet=True) as job:
        job.start()
        job.train()
        began = time.monotonic()
        for number in count(1):
            job.propose(number, 0, archive.history(job.database, job.library, before_round=number))
            job.train()
            if enough(job):
                break
        return _outcome(job, _tries(job), time.monotonic() - began)


def _code(configuration: Configuration) -> Outcome:
    """Texts until the cap on calls; those that became blocks are brought into a tree and judged."""
    with rehearsal(configuration, quiet=True) as job:
        job.start()
        job.train()
        began = time.monotonic()
        for number in count(1):
            if job.propose_round(number, [0], archive.history(job.database, job.library, before_round=number)):
                break
            job.train()
        return _outcome(job, configuration.llm.calls or 0, time.monotonic() - began)


def _outcome(job: Search, tries: int, seconds: float) -> Outcome:
    candidates = job.database.candidates()
    executable = len(candidates) - 1 + sum(attempt.reason in EXECUTED for attempt in job.database.attempts())
    start = blocks_of(candidates[0].tree)
    used = {name for candidate in candidates for name in blocks_of(candidate.tree)} - set(start)
    return Outcome(tries, executable, len(used), seconds, job.database.choices())


def _tries(job: Search) -> int:
    """Edits that were made; a plan for which none is possible is no try."""
    made = sum(attempt.reason != "nothing possible" for attempt in job.database.attempts())
    return len(job.database.candidates()) - 1 + made


def _asked(job: Search) -> list[Choice]:
    return [choice for choice in job.database.choices() if choice.source != "uniform"]
