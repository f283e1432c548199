"""What the report of a run says, as plain data: the page shows it, `--json` prints it, `--serve` sends it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jnas.planning.pareto import front
from jnas.reports import credit
from jnas.reports.beliefs import LEVELS, calibration, last_outcomes
from jnas.reports.blocks import block_usage
from jnas.reports.candidates import columns, rows
from jnas.reports.changes import changed
from jnas.reports.costs import known_costs, spent
from jnas.reports.plots import visible
from jnas.reports.run import OF_CANDIDATE, Run, accuracy
from jnas.runs.configuration import to_plain, to_toml
from jnas.runs.database import Candidate
from jnas.training.fidelity import Agreement, agreements
from jnas.trees.picture import lines
from jnas.trees.svg import PALETTE
from translators.diagnostics import UserError

COSTS = ("parameters", "multiply_adds", "latency")
COMPARED = 200  # candidates for the rank correlation of rungs: its work grows with the square of their number


def content(run: Run) -> dict[str, Any]:
    """JSON values. Everything but what candidates.details tells of each candidate."""
    settings, best, candidates = run.configuration, run.best, columns(run)
    return plain(
        {
            "name": run.directory.root.resolve().name,
            "folder": str(run.directory.root),
            "finished": run.finished,
            "sources": list(settings.sources),
            "dataset": settings.dataset.name,
            "start": settings.start,
            "planner": settings.planner.name,
            "llm": settings.llm.name,
            "trained": run.trained,
            "budget": settings.search.budget,
            "turned_down": len(run.attempts),
            "best": _best(run, best) if best else None,
            "start_accuracy": accuracy(run.by_number[0]) if 0 in run.by_number else None,
            "test": {
                "best": run.final_accuracy(best.number) if best else None,
                "start": run.final_accuracy(0),
                "seeds": len({final.seed for final in run.finals if final.split == "test"}),
            },
            "candidates": candidates,
            "accuracy_axis": visible([score for score in candidates["accuracy"] if score is not None]),
            "fronts": {name: found for name in COSTS if (found := _front(run, ("accuracy", name)))},
            "objectives": list(run.objectives),
            "front": [row.number for row in run.front],
            "arms": [found.to_plain() for found in credit.by_arm(run)],
            "believed": last_outcomes(run),
            "calibration": _calibration(run),
            "knowledge": _knowledge(run),
            "blocks": block_usage(run),
            "failures": _failures(run),
            "cost": spent(run),
            "fidelity": [vars(found) for found in fidelity(run)],
            "configuration": to_plain(settings),
            "toml": to_toml(settings),
            "versions": dict(run.versions),
            "command": run.command(),
            "families": PALETTE,
        }
    )


def plain(value: Any) -> Any:
    """The value in lists, dicts, strings and finite numbers, None for what is none."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _best(run: Run, best: Candidate) -> dict[str, Any]:
    """With its whole tree, in which what differs from the start tree is marked."""
    try:
        tree, start = run.tree(best), run.tree(run.by_number[0])
        picture = lines(tree, run.library, run.input_shape, changed(start, tree), known_costs(run, tree))
        shown = {"tree": rows(picture), "problem": ""}
    except UserError as error:
        shown = {"tree": [], "problem": f"The tree cannot be drawn here: {error}"}
    return {"number": best.number, "accuracy": accuracy(best), "tree_hash": best.tree_hash, **shown}


def _front(run: Run, objectives: Sequence[str]) -> list[int]:
    """Numbers of the candidates that no other one beats in both objectives."""
    known = [(row.number, [OF_CANDIDATE[name](row) for name in objectives]) for row in run.candidates]
    known = [(number, values) for number, values in known if None not in values]
    return [known[i][0] for i in front(np.array([values for _, values in known], float))] if known else []


def _calibration(run: Run) -> dict[str, Any] | None:
    found = calibration(run)
    if found is None:
        return None
    groups = [
        {"said": said, "better": true.successes, "children": true.successes + true.failures, "interval": true.interval}
        for said, true in found.groups()
    ]
    levels = LEVELS.tolist() if found.children else []
    return {"children": found.children, "levels": levels, "coverage": found.coverage.tolist(), "improved": groups}


def _knowledge(run: Run) -> dict[str, Any] | None:
    found = credit.uses(run)
    if not found:
        return None
    texts = {idea.key: idea.text for idea in run.ideas}
    return {
        "stages": [row.to_plain() for row in credit.by_stage(found)],
        "categories": [row.to_plain() for row in credit.by_category(found)],
        "ideas": [{**row.to_plain(), "text": texts.get(row.name, "")} for row in credit.by_idea(found)],
    }


def _failures(run: Run) -> dict[str, list[dict[str, Any]]]:
    """What the gate turned down, by reason and kind of edit, and trainings that failed, by status; the last message."""
    proposals = Counter((attempt.reason, attempt.kind) for attempt in run.attempts)
    messages = {(attempt.reason, attempt.kind): attempt.message for attempt in run.attempts if attempt.message}
    failed = [(row.number, row.result) for row in run.candidates if row.result and row.result.status != "ok"]
    trainings = Counter(result.status for _, result in failed)
    last = {result.status: (number, result.message) for number, result in failed}
    return {
        "proposals": [
            {"reason": reason, "kind": kind, "count": count, "message": messages.get((reason, kind), "")}
            for (reason, kind), count in proposals.most_common()
        ],
        "trainings": [
            {"status": status, "count": count, "number": last[status][0], "message": last[status][1]}
            for status, count in trainings.most_common()
        ],
    }


def fidelity(run: Run) -> list[Agreement]:
    """How ranks of short trainings agree with those of longer ones, on candidates evenly chosen where they are many."""
    curves = [row.result.curve for row in run.candidates if row.result is not None]
    places = np.linspace(0, len(curves) - 1, min(len(curves), COMPARED)).astype(int)
    return agreements([curves[i] for i in places])
