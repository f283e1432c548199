"""What a run and the nodes of its trees cost, as far as it is known: a report runs no mined code."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from jnas.evaluation.inspection import node_costs
from jnas.reports.run import Run
from jnas.resolving.choosers import REPLAY
from jnas.resolving.prices import AS_OF, FREE, PRICES
from jnas.runs.database import Choice
from jnas.training.recipe_files import recipe
from jnas.trees.node import Node
from jnas.trees.picture import Costs


def known_costs(run: Run, tree: Node) -> Costs:
    """(parameters, multiply-adds) by path text; empty where the gate measured on another machine."""
    batch = recipe(run.configuration.evaluation.recipe).batch_size
    return node_costs(tree, run.library, run.input_shape, run.classes, batch)


def spent(run: Run) -> dict[str, Any]:
    """Seconds by phase, of compiling and of training; tokens and dollars by language model; who answered what.

    `dollars` is None where the price of a model is not known; local and replayed ones are free.
    """
    results = [row.result for row in run.candidates if row.result] + [final.result for final in run.finals]
    models = []
    for used in run.usage:
        charged = used.model.startswith("gemini") and not run.configuration.llm.name.startswith(REPLAY)
        price = PRICES.get(used.model) if charged else FREE
        dollars = None if price is None else price.dollars(used.input_tokens, used.output_tokens)
        models.append({**vars(used), "dollars": dollars})
    by_source: dict[str, list[Choice]] = defaultdict(list)
    for choice in run.choices:
        by_source[choice.source].append(choice)
    problems = Counter(choice.problem for choice in run.choices if choice.problem)
    return {
        "seconds": sum(run.phases.values()),
        "phases": dict(run.phases),
        "compiling": sum(result.seconds_compile for result in results),
        "training": sum(result.seconds_train for result in results),
        "models": models,
        "prices": AS_OF,
        "answers": [
            {
                "by": source,
                "questions": len(choices),
                "seconds": sum(choice.seconds for choice in choices),
                "tokens": sum(choice.tokens for choice in choices),
            }
            for source, choices in sorted(by_source.items())
        ],
        "problems": problems.most_common(10),
    }
