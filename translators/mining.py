"""Every nn.Module class of a source: signature, ports of forward, closure, provenance."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from translators.class_graph import Class, ClassGraph
from translators.environment import dotted
from translators.index import Unit
from translators.rewriting.scopes import FunctionNode, own_nodes

_CLASS_COUNTS = {
    "num_classes",
    "n_classes",
    "num_class",
    "nclass",
    "n_class",
    "num_labels",
    "class_num",
    "out_classes",
    "classes",
}


@dataclass(frozen=True)
class Argument:
    """A constructor argument; `default` is its value when the source spells a literal, else None.

    `uses` is what the constructor does with it (see usage.py): names under which it is passed on above all.
    """

    name: str
    required: bool
    default: Any
    default_source: str
    annotation: str
    uses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Provenance:
    """Where a class comes from; `lines` is (first, last), `sha256` that of the whole file."""

    package: str
    version: str
    path: str
    lines: tuple[int, int]
    licence: str
    sha256: str


@dataclass(frozen=True)
class MinedClass:
    """A class that derives from nn.Module. `inputs` are the required arguments of forward.

    `returns` is 'tensor', 'tuple', 'dict' or 'unknown'; `kind` is 'block' (one tensor in, one out), 'model' or 'other'.
    `calls` are literal arguments of calls in the sources (see usage.py), where a whole source is translated.
    """

    qualified_name: str
    module: str
    name: str
    path: str
    first_line: int
    last_line: int
    arguments: tuple[Argument, ...]
    inputs: tuple[str, ...]
    returns: str
    kind: str
    doc: str
    bases: tuple[str, ...]
    closure: tuple[str, ...]
    provenance: Provenance
    calls: tuple[Mapping[str, Any], ...] = ()


def mine_class(cls: Class, classes: ClassGraph, closure: tuple[str, ...] = ()) -> MinedClass:
    """The record of one module class."""
    unit, provenance = cls.unit, provenance_of(cls.unit)
    constructor = classes.method(cls, "__init__")
    forward = classes.method(cls, "forward")
    arguments = arguments_of(constructor[1], receiver=True) if constructor else ()
    inputs = tuple(a.name for a in arguments_of(forward[1], receiver=True) if a.required) if forward else ()
    returns = _returns(forward[1]) if forward else "unknown"
    return MinedClass(
        qualified_name=unit.qualified_name,
        module=unit.module.name,
        name=unit.name,
        path=provenance.path,
        first_line=provenance.lines[0],
        last_line=provenance.lines[1],
        arguments=arguments,
        inputs=inputs,
        returns=returns,
        kind=_kind(arguments, inputs, returns),
        doc="".join(c for c in (ast.get_docstring(cls.node) or "").strip().split("\n")[0] if c.isprintable()),
        bases=tuple(spelling if symbol is None else symbol.name for spelling, symbol in cls.bases),
        closure=closure,
        provenance=provenance,
    )


def provenance_of(unit: Unit) -> Provenance:
    """Where a definition comes from."""
    file, source = unit.module.file, unit.module.source
    path, first_line = file.position(unit.first_line)
    lines = (first_line, first_line + unit.last_line - unit.first_line)
    return Provenance(source.name, source.version, path, lines, source.licence, file.sha256)


def _kind(arguments: tuple[Argument, ...], inputs: tuple[str, ...], returns: str) -> str:
    if any(argument.name in _CLASS_COUNTS for argument in arguments):
        return "model"
    return "block" if len(inputs) == 1 and returns == "tensor" else "other"


def arguments_of(function: FunctionNode, receiver: bool = False) -> tuple[Argument, ...]:
    """Arguments by name, without the receiver of a method, `*args` and `**kwargs`."""
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(given.defaults)) + list(given.defaults)
    by_position = [*zip(positional, defaults, strict=True)]
    pairs = [*by_position[receiver:], *zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    return tuple(
        Argument(
            name=argument.arg,
            required=default is None,
            default=literal(default),
            default_source=_text(default),
            annotation=_text(argument.annotation),
        )
        for argument, default in pairs
    )


def literal(node: ast.expr | None) -> Any:
    """The value of a literal or of arithmetic on numbers, else None."""
    try:
        value = ast.literal_eval(node) if node is not None else None
    except (ValueError, TypeError, SyntaxError):
        value = _arithmetic(node)
    return value if _is_plain(value) else None


def _is_plain(value: Any) -> bool:
    """Whether JSON can hold it."""
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, int):
        return abs(value) < 1 << 64
    return value is None or isinstance(value, str) or (isinstance(value, float) and math.isfinite(value))


def _text(node: ast.expr | None) -> str:
    try:
        return ast.unparse(node) if node is not None else ""
    except (ValueError, RecursionError):  # numbers of thousands of digits; deep nesting
        return "..."


def _arithmetic(node: ast.expr | None) -> Any:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.BinOp(left=left, op=ast.Div() | ast.Mult() as op, right=right):
            a, b = _arithmetic(left), _arithmetic(right)
            if a is None or b is None or (isinstance(op, ast.Div) and b == 0):
                return None
            try:
                return a / b if isinstance(op, ast.Div) else a * b
            except OverflowError:
                return None
    return None


def _returns(forward: FunctionNode) -> str:
    """What the last return at the top of forward gives; of the first branch that returns where there is none."""
    top = [node for node in forward.body if isinstance(node, ast.Return)]
    returns = top or [node for node in own_nodes(forward) if isinstance(node, ast.Return)]
    if not returns or returns[-1].value is None:
        return "unknown"
    value = returns[-1].value
    if isinstance(value, ast.Name):
        value = _last_assigned(forward, value.id) or value
    match value:
        case ast.Tuple() | ast.List() | ast.ListComp():
            return "tuple"
        case ast.Dict() | ast.DictComp():
            return "dict"
        case ast.Call(func=func) if dotted(func) in ("tuple", "list"):
            return "tuple"
        case ast.Call(func=func) if dotted(func) in ("dict", "OrderedDict", "collections.OrderedDict"):
            return "dict"
        case ast.Constant():
            return "unknown"
    return "tensor"


def _last_assigned(function: FunctionNode, name: str) -> ast.expr | None:
    found = None
    for node in own_nodes(function):
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            found = node.value
    return found
