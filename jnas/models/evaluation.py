"""What modules without a contract are at a place, found in this process: for workers, where translated code may run."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache

from jnas.library.binding import BindError, Shape
from jnas.library.exact import Traced
from jnas.library.store import Library
from jnas.models.build import construct
from jnas.models.tracing import trace
from jnas.trees.node import value_from_json
from jnas.trees.remembered import NODES
from translators.diagnostics import UserError


def evaluating_here(library: Library) -> Library:
    """The same library, whose questions are answered in this process; each is run once."""

    @lru_cache(NODES)
    def found(block: str, arguments: str, layouts: tuple[str, str], shape: Shape) -> Traced | str:
        try:
            values = {name: value_from_json(v, library) for name, v in json.loads(arguments).items()}
            return trace(lambda: construct(library[block], values, library), layouts, shape)
        except (BindError, UserError) as error:
            return str(error)

    def evaluate(block: str, arguments: str, layouts: tuple[str, str], shape: Shape) -> Traced:
        answer = found(block, arguments, layouts, shape)
        if isinstance(answer, str):
            raise BindError(answer)
        return answer

    return replace(library, evaluate=evaluate)
