"""Decorators that can be left out: those that return what they decorate, or call it with what they are called with."""

from __future__ import annotations

import ast

from translators.rewriting.scopes import own_nodes


def hands_on(decorator: ast.FunctionDef) -> bool:
    """Whether decorating changes nothing; also of a function that makes such a decorator.

    A wrapper may warn and may rename keywords; what it does to arguments or to the result is not left out.
    """
    inner = {node.name: node for node in decorator.body if isinstance(node, ast.FunctionDef)}
    returned = [node.value for node in own_nodes(decorator) if isinstance(node, ast.Return)]
    given = decorator.args.args[0].arg if decorator.args.args else ""
    if not returned or not isinstance(decorator.body[-1], ast.Return):
        return False
    for value in returned:
        if not isinstance(value, ast.Name):
            return False
        function = inner.get(value.id)
        if value.id != given and (function is None or not (_calls_through(function, given) or hands_on(function))):
            return False
    return True


def _calls_through(wrapper: ast.FunctionDef, function: str) -> bool:
    """Whether a wrapper returns `function(*args, **kwargs)` of its own arguments, and nothing else."""
    arguments = wrapper.args
    if arguments.vararg is None or arguments.kwarg is None or arguments.kwonlyargs or arguments.defaults:
        return False
    nodes = list(own_nodes(wrapper))
    call = ast.unparse(_call(function, arguments))
    results = {
        target.id
        for node in nodes
        if isinstance(node, ast.Assign) and ast.unparse(node.value) == call
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    returned = [node.value for node in nodes if isinstance(node, ast.Return)]
    if not isinstance(wrapper.body[-1], ast.Return) or any(isinstance(node, ast.With | ast.Try) for node in nodes):
        return False
    if not all(value is not None and (ast.unparse(value) == call or _name(value) in results) for value in returned):
        return False
    uses = [node for node in nodes if isinstance(node, ast.Name) and node.id in results]
    calls = [node for node in nodes if isinstance(node, ast.Call) and _name(node.func) == function]
    fixed = {function, arguments.vararg.arg, arguments.kwarg.arg, *(argument.arg for argument in arguments.args)}
    return (
        all(ast.unparse(node) == call for node in calls)
        # A result is assigned once and returned; nothing looks at it in between.
        and len(uses) == len(results) + sum(_name(value) in results for value in returned)
        and not any(
            node.id in fixed and not isinstance(node.ctx, ast.Load) for node in nodes if isinstance(node, ast.Name)
        )
        and all(_is_renaming(node, nodes) for node in nodes if _changes(node, arguments.kwarg.arg))
    )


def _call(function: str, arguments: ast.arguments) -> ast.Call:
    assert arguments.vararg is not None and arguments.kwarg is not None
    positional = [ast.Name(argument.arg) for argument in (*arguments.posonlyargs, *arguments.args)]
    starred = ast.Starred(ast.Name(arguments.vararg.arg))
    return ast.Call(ast.Name(function), [*positional, starred], [ast.keyword(None, ast.Name(arguments.kwarg.arg))])


def _changes(node: ast.AST, keywords: str) -> bool:
    """Whether a node writes into the dictionary of keywords."""
    if isinstance(node, ast.Subscript):
        return _name(node.value) == keywords and not isinstance(node.ctx, ast.Load)
    function = node.func if isinstance(node, ast.Call) else None
    changing = ("pop", "popitem", "update", "setdefault", "clear")
    return isinstance(function, ast.Attribute) and _name(function.value) == keywords and function.attr in changing


def _is_renaming(change: ast.AST, nodes: list[ast.AST]) -> bool:
    """Whether a change is a part of `kwargs[new] = kwargs.pop(old)`."""
    for node in nodes:
        if isinstance(node, ast.Assign) and (node.value is change or node.targets == [change]):
            value, target = node.value, node.targets[0]
            popped = isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "pop"
            return popped and isinstance(target, ast.Subscript) and len(value.args) == 1  # type: ignore[attr-defined]
    return False


def _name(node: ast.AST | None) -> str:
    return node.id if isinstance(node, ast.Name) else ""
