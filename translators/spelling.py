"""Layers of torch.nn as text: "nn.GELU" is a class, "nn.Conv2d(8, 8, 3, padding=1)" a module, and
"lambda *args, **kwargs: nn.GELU(*args, **kwargs)" a function that makes one. The text never runs."""

from __future__ import annotations

import ast
from typing import Any

_FUNCTION = "lambda *args, **kwargs: {}(*args, **kwargs)"


def is_spelled(value: Any) -> bool:
    """Whether a value is text that spells a layer, a class of layers or a function that makes one."""
    return isinstance(value, str) and (value.startswith("nn.") or value == function_making(made_by(value)))


def function_making(cls: str) -> str:
    """The spelling of a function that hands its arguments on to the class `nn.X`."""
    return _FUNCTION.format(cls)


def made_by(function: str) -> str:
    """The class that a function makes instances of, by its spelling; "" where it is none."""
    before, after = _FUNCTION.split("{}")
    return function[len(before) : -len(after)] if function.startswith(f"{before}nn.") else ""


def spelled(text: str, classes: Any) -> Any:
    """What `text` spells, with `classes` for nn: names, calls, literals. Raises ValueError for anything else."""
    cls = made_by(text)
    if cls:
        make = spelled(cls, classes)
        return lambda *args, **kwargs: make(*args, **kwargs)
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
