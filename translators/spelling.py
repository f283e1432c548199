"""Layers of torch.nn as text: "nn.GELU" is a class, "nn.Conv2d(8, 8, 3, padding=1)" a module. The text never runs."""

from __future__ import annotations

import ast
from typing import Any


def spelled(text: str, classes: Any) -> Any:
    """What `text` spells, with `classes` for nn: names, calls, literals. Raises ValueError for anything else."""
    try:
        return _value(ast.parse(text, mode="eval").body, classes)
    except SyntaxError as error:
        raise ValueError(f"{text}: not a layer; expected nn.X or nn.X(arguments)") from error


def _value(node: ast.expr, classes: Any) -> Any:
    match node:
        case ast.Attribute(value=ast.Name(id="nn"), attr=name) if not name.startswith("_"):
            return getattr(classes, name)
        case ast.Call(func=ast.Attribute() as func, args=args, keywords=keywords):
            named = {keyword.arg: _value(keyword.value, classes) for keyword in keywords if keyword.arg is not None}
            return _value(func, classes)(*(_value(argument, classes) for argument in args), **named)
    return ast.literal_eval(node)
