"""The child process in which models are traced and lifted: a JSON question per line in, a JSON answer per line out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jnas.library.binding import BindError
from jnas.library.exact import traced_to_json
from jnas.library.store import Library, open_library
from jnas.models.evaluation import evaluating_here
from jnas.models.lifting import lift
from jnas.trees.node import to_json, value_from_json
from translators.diagnostics import Refused, UserError


def trace(question: Mapping[str, Any], library: Library) -> dict[str, Any]:
    """A module at a place; see library.places."""
    layouts, shape = tuple(question["layouts"]), tuple(question["shape"])
    return traced_to_json(library.evaluate(question["block"], question["arguments"], layouts, shape))  # type: ignore[arg-type]


def lift_model(question: Mapping[str, Any], library: Library) -> dict[str, Any]:
    """A model as a tree."""
    lifted = lift(
        library[question["name"]], _options(question["options"]), library, tuple(question["shape"]), question["classes"]
    )
    return {"tree": to_json(lifted.tree), "origins": list(lifted.origins)}


def _options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Lists as tuples, as in trees."""
    return {name: value_from_json(value, {}) for name, value in options.items()}


OPERATIONS = {"trace": trace, "lift": lift_model}


@cache
def _library(folders: tuple[str, ...]) -> Library:
    return evaluating_here(open_library([Path(folder) for folder in folders]))


def answer(question: Mapping[str, Any]) -> dict[str, Any]:
    """Every way to fail is an answer."""
    try:
        return OPERATIONS[question["operation"]](question, _library(tuple(question["libraries"])))
    except BindError as error:
        return {"error": str(error)}
    except (Refused, UserError) as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": "needs too much memory", "passing": True}
    except Exception as error:  # whatever translated code raises
        text = str(error).strip().splitlines() or [""]
        return {"error": f"{type(error).__name__}: {text[0][:300]}"}


def main() -> None:
    """Answer until standard input ends. What translated code prints goes nowhere."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
