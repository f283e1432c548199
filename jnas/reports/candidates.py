"""The candidates of a run as plain data: one column for each number, and of each what led to it and what it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from jnas.reports.run import Run, accuracy
from jnas.runs.database import Attempt, Candidate, Choice
from jnas.trees.picture import Line, compared, lines
from translators.diagnostics import UserError

PICTURES = 2048  # that are kept: parents are drawn beside many children
Slot = tuple[int, int]


def columns(run: Run) -> dict[str, list[Any]]:
    """In slot order. `accuracy` and `latency` as in outcomes.Result, `seconds` of compilation and training, `ended`
    in seconds since the first proposal; `kind` is that of the edit, `status` is "waiting" before there is a result.
    """
    began = min((candidate.created for candidate in run.candidates), default=0.0)
    found: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for row in run.candidates:
        values = {name: column(row) for name, column in COLUMNS.items()}
        values["turned_down"] = run.turned_down(row)
        values["ended"] = None if row.finished is None else _rounded(row.finished - began, 1)
        for name, value in values.items():
            found[name].append(value)
    return found


def details(run: Run, candidates: Iterable[Candidate]) -> Iterator[dict[str, Any]]:
    """Of each candidate: the plan behind it, what was asked and answered, what the gate turned down before it, its
    training, and its tree beside its parent's.
    """
    choices: dict[Slot, list[Choice]] = defaultdict(list)
    attempts: dict[Slot, list[Attempt]] = defaultdict(list)
    for choice in run.choices:
        choices[choice.round, choice.slot].append(choice)
    for attempt in run.attempts:
        attempts[attempt.round, attempt.slot].append(attempt)
    ideas = {idea.key: idea for idea in run.ideas}

    @lru_cache(PICTURES)
    def picture(number: int) -> list[Line]:
        return lines(run.tree(run.by_number[number]), run.library, run.input_shape)

    for row in candidates:
        slot, result, idea = (row.round, row.slot), row.result, ideas.get(row.idea or "")
        yield {
            "number": row.number,
            "tree_hash": row.tree_hash,
            "plan": None if row.plan is None else {name: row.plan.get(name) for name in ("explanation", "draws")},
            "idea": None if idea is None else {"text": idea.text, "place": idea.place, "source": dict(idea.source)},
            "choices": [
                {name: value for name, value in vars(choice).items() if name not in ("round", "slot")}
                for choice in choices[slot]
            ],
            "turned_down": [
                {name: vars(attempt)[name] for name in ("attempt", "kind", "way", "reason", "message", "description")}
                for attempt in attempts[slot]
            ],
            "message": "" if result is None else result.message,
            "curve": [] if result is None else list(result.curve),
            **_tree(row, picture),
        }


def rows(found: Sequence[Line]) -> list[list[Any]]:
    """A picture as plain data: name, details, family, guides ("1": the level ends here), shape, counts, mark."""
    return [
        [
            line.name,
            line.details,
            line.family,
            "".join("01"[ends] for ends in line.guides),
            line.shape_text,
            *line.cost_text,
            line.mark,
        ]
        for line in found
    ]


def _tree(row: Candidate, picture: Callable[[int], list[Line]]) -> dict[str, Any]:
    try:
        after = picture(row.number)
        return {"tree": rows(after if row.parent is None else compared(picture(row.parent), after)), "problem": ""}
    except UserError as error:
        return {"tree": [], "problem": f"The tree cannot be drawn here: {error}"}


def _epochs(row: Candidate) -> int | None:
    return row.result.curve[-1].get("epoch", -1) + 1 if row.result and row.result.curve else None


def _kind(row: Candidate) -> str:
    return str((row.edit or row.plan or {}).get("kind", ""))


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


COLUMNS: dict[str, Callable[[Candidate], Any]] = {
    "number": lambda row: row.number,
    "round": lambda row: row.round,
    "parent": lambda row: row.parent,
    "kind": _kind,
    "way": lambda row: (row.plan or {}).get("way", ""),
    "description": lambda row: row.description,
    "idea": lambda row: row.idea,
    "tree": lambda row: row.tree_hash[:16],
    "status": lambda row: "waiting" if row.result is None else row.result.status,
    "accuracy": lambda row: _rounded(accuracy(row), 6),
    "parameters": lambda row: row.verdict.parameters,
    "multiply_adds": lambda row: row.verdict.multiply_adds,
    "latency": lambda row: None if row.result is None else _rounded(row.result.latency, 9),
    "epochs": _epochs,
    "seconds": lambda row: (
        None if row.result is None else _rounded(row.result.seconds_compile + row.result.seconds_train, 2)
    ),
    "turned_down": lambda row: 0,
    "ended": lambda row: row.finished,
}
