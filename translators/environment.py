"""Answers to what source asks about its surroundings: versions, devices, scripting, optional packages."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from typing import Any

from translators.rewriting import names

UNKNOWN: Any = type("Unknown", (), {"__repr__": lambda self: "UNKNOWN"})()

# The answer to a dotted name: its canonical foreign name, or the literal value of a constant, or UNKNOWN.
Lookup = Callable[[str], Any]

_COMPARISONS = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
_CONVERSIONS: dict[str, Callable[[Any], Any]] = {"int": int, "bool": bool, "str": str, "float": float, "len": len}
VERSION_PARSERS = {
    "Version",
    "LooseVersion",
    "parse",
    "parse_version",
    "digit_version",
    "TorchVersion",
    "StrictVersion",
}


class Foreign(str):
    """The canonical dotted name of something outside the source."""


class Names(tuple):
    """What `dir(module)` of a torch module would hold."""

    def __contains__(self, name: object) -> bool:
        return any(names.exists(f"{module}.{name}") for module in self)


def dotted(node: ast.AST) -> str | None:
    """`a.b.c` of a chain of attributes on a name; None for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])


def evaluate(node: ast.expr, lookup: Lookup) -> Any:
    """The value of an expression that depends on the surroundings only, else UNKNOWN."""
    try:
        return _evaluate(node, lookup)
    except (TypeError, ValueError, RecursionError, KeyError, IndexError, AttributeError):
        return UNKNOWN


def _evaluate(node: ast.expr, lookup: Lookup) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            values = [_evaluate(element, lookup) for element in elements]
            return UNKNOWN if any(value is UNKNOWN for value in values) else tuple(values)
        case ast.Name() | ast.Attribute():
            return _named(node, lookup)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            value = _evaluate(operand, lookup)
            return UNKNOWN if value is UNKNOWN or isinstance(value, Foreign) else not value
        case ast.BoolOp(op=op, values=values):
            absorbing = isinstance(op, ast.Or)
            found = [_evaluate(value, lookup) for value in values]
            found = [UNKNOWN if isinstance(value, Foreign) else value for value in found]
            if any(value is not UNKNOWN and bool(value) == absorbing for value in found):
                return absorbing
            return UNKNOWN if any(value is UNKNOWN for value in found) else not absorbing
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _compare(op, _evaluate(left, lookup), _evaluate(right, lookup))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            value = _evaluate(test, lookup)
            return UNKNOWN if value is UNKNOWN else _evaluate(body if value else orelse, lookup)
        case ast.Subscript(value=value, slice=index):
            base = _evaluate(value, lookup)
            if isinstance(base, str | tuple) and not isinstance(base, Foreign):
                if isinstance(index, ast.Slice):
                    bounds = [
                        None if b is None else _evaluate(b, lookup) for b in (index.lower, index.upper, index.step)
                    ]
                    return UNKNOWN if UNKNOWN in bounds else base[slice(*bounds)]
                position = _evaluate(index, lookup)
                return UNKNOWN if position is UNKNOWN else base[position]
            return UNKNOWN
        case ast.Call():
            return _call(node, lookup)
    return UNKNOWN


def _named(node: ast.expr, lookup: Lookup) -> Any:
    name = dotted(node)
    if name is None:
        return UNKNOWN
    found = lookup(name)
    if isinstance(found, Foreign) and found in names.VALUES:
        return names.VALUES[found]
    return found


def _call(node: ast.Call, lookup: Lookup) -> Any:
    name = dotted(node.func)
    if name is None:
        return _method_of_string(node, lookup)
    function = lookup(name)
    if isinstance(function, Foreign) and function in names.ANSWERS:
        return names.ANSWERS[function]
    arguments = [_evaluate(argument, lookup) for argument in node.args]
    last = name.split(".")[-1]
    if function == "dir" and len(arguments) == 1 and isinstance(arguments[0], Foreign):
        return Names((names.canonical(arguments[0]),)) if arguments[0].startswith("torch") else UNKNOWN
    if function == "hasattr" and len(arguments) == 2 and isinstance(arguments[0], Foreign):
        if arguments[0].startswith("torch") and isinstance(arguments[1], str):
            return names.exists(f"{arguments[0]}.{arguments[1]}")
        return UNKNOWN
    if function in ("os.environ.get", "os.getenv") and isinstance(function, Foreign):
        return arguments[1] if len(arguments) > 1 else None
    if any(argument is UNKNOWN or isinstance(argument, Foreign) for argument in arguments):
        return UNKNOWN
    if function in _CONVERSIONS and len(arguments) == 1 and isinstance(function, Foreign):
        return _CONVERSIONS[function](arguments[0])
    if last in VERSION_PARSERS and len(arguments) == 1 and isinstance(arguments[0], str):
        return _version(arguments[0])
    return _method_of_string(node, lookup)


def _method_of_string(node: ast.Call, lookup: Lookup) -> Any:
    """`torch.__version__.split('.')[0]` and its kin."""
    if not isinstance(node.func, ast.Attribute) or node.keywords:
        return UNKNOWN
    base = _evaluate(node.func.value, lookup)
    arguments = [_evaluate(argument, lookup) for argument in node.args]
    if not isinstance(base, str) or isinstance(base, Foreign) or UNKNOWN in arguments:
        return UNKNOWN
    if node.func.attr in {"split", "startswith", "endswith", "lower", "upper", "strip"}:
        result = getattr(base, node.func.attr)(*arguments)
        return tuple(result) if isinstance(result, list) else result
    return UNKNOWN


def _compare(op: ast.cmpop, left: Any, right: Any) -> Any:
    if left is UNKNOWN or right is UNKNOWN or isinstance(left, Foreign) or isinstance(right, Foreign):
        return UNKNOWN
    if isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE):
        left, right = (_version(value) if isinstance(value, str) else value for value in (left, right))
    return _COMPARISONS[type(op)](left, right)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text.split("+")[0])[:3])
