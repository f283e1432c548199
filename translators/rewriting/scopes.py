"""Which names a function binds itself, and which of them hold plain Python containers."""

from __future__ import annotations

import ast
import functools

from translators.parsing import children

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_CONTAINER_CALLS = {"list", "dict", "set", "str", "OrderedDict", "defaultdict", "namedtuple", "deque", "Counter"}
_CONTAINERS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.JoinedStr)


@functools.lru_cache(maxsize=8)
def own_nodes(function: ast.AST) -> tuple[ast.AST, ...]:
    """Nodes of a function or class in textual order, without the insides of nested functions, classes and lambdas."""
    stack = children(function)[::-1]
    found = []
    while stack:
        node = stack.pop()
        found.append(node)
        if not isinstance(node, _SCOPES):
            stack.extend(children(node)[::-1])
    return tuple(found)


def parameters(function: FunctionNode | ast.Lambda) -> list[str]:
    """All parameter names in order."""
    given = function.args
    named = [*given.posonlyargs, *given.args, *([given.vararg] if given.vararg else []), *given.kwonlyargs]
    return [argument.arg for argument in [*named, *([given.kwarg] if given.kwarg else [])]]


def bound_names(function: FunctionNode | ast.ClassDef) -> set[str]:
    """Names bound in a function (its parameters too) or class body, apart from imports and `global` ones."""
    bound = set() if isinstance(function, ast.ClassDef) else set(parameters(function))
    for node in own_nodes(function):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                bound.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case ast.ExceptHandler(name=str(name)):
                bound.add(name)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                bound.add(name)
    return bound


def container_names(function: FunctionNode) -> set[str]:
    """Local names that are only ever assigned lists, dicts, sets or strings."""
    containers: set[str] = set()
    others: set[str] = set(parameters(function))
    for node in own_nodes(function):
        match node:
            case ast.Assign(targets=targets, value=value):
                pairs = [(target, value) for target in targets]
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                pairs = [(target, value)]
            case ast.For(target=target) | ast.withitem(optional_vars=ast.expr() as target):
                pairs = [(target, target)]
            case _:
                continue
        for target, value in pairs:
            if isinstance(target, ast.Name):
                (containers if _is_container(value) else others).add(target.id)
            elif isinstance(target, ast.Tuple | ast.List):
                others |= {name.id for name in ast.walk(target) if isinstance(name, ast.Name)}
    return containers - others


def _is_container(value: ast.expr) -> bool:
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return value.func.id in _CONTAINER_CALLS
    if isinstance(value, ast.Constant):
        return isinstance(value.value, str)
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult | ast.Add):
        return _is_container(value.left) or _is_container(value.right)
    return isinstance(value, _CONTAINERS)
