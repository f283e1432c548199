"""What a unit's rewriting needs to know of its surroundings: scopes, resolution of names, places of refusals."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

import libcst as cst

from translators.index import Index, Module, Symbol
from translators.rewriting import names
from translators.rewriting.aliases import Aliases
from translators.rewriting.effects import Effects
from translators.rewriting.scopes import FunctionNode, bound_names, container_names


@dataclass
class Scope:
    """Names of one function, lambda, comprehension or class body. `imports` holds what imports inside it bind."""

    names: set[str] = field(default_factory=set)
    imports: dict[str, str] = field(default_factory=dict)
    containers: set[str] = field(default_factory=set)
    function: FunctionNode | None = None
    receiver: str = ""  # the name of `self` in a method
    is_class: bool = False
    is_record: bool = False  # a class whose annotations are its fields
    is_nested: bool = False
    leaves_early: int = 0  # branches so far after which the rest of the function may not run
    aliases: dict[bool, Aliases] = field(default_factory=dict)  # by whether they are the widest


@dataclass(frozen=True)
class Resolved:
    """Outcome of resolving a dotted name in scope: a symbol, or `local` when a local variable has it."""

    symbol: Symbol | None
    local: bool = False
    imported_inside: bool = False  # by an import within a function


class Surroundings:
    """Resolution of names of one module, shared by all of its units."""

    def __init__(
        self, index: Index, module: Module, tree_names: set[str], own_methods: frozenset[str], effects: Effects
    ):
        self.index = index
        self.effects = effects
        self.module = module
        self.stored = tree_names
        self.own_methods = own_methods  # of all classes of the sources
        # A local called F or ops must not hide the runtime module of that name.
        self.aliases = {
            runtime: alias + "_" if alias in tree_names else alias for runtime, alias in names.RUNTIME_ALIASES.items()
        }

    def resolve(self, scopes: list[Scope], dotted: str) -> Resolved:
        first, _, rest = dotted.partition(".")
        in_function = False
        for scope in reversed(scopes):
            if scope.is_class and in_function:
                continue
            if first in scope.imports:
                target = ".".join([scope.imports[first], *([rest] if rest else [])])
                return Resolved(self.index.qualified(target), imported_inside=True)
            if first in scope.names:
                return Resolved(None, local=True)
            in_function = in_function or not scope.is_class
        return Resolved(self.index.resolve(self.module, dotted))


def names_stored(module: Module) -> set[str]:
    """Every name that the module binds anywhere, apart from imports of what the runtime stands for."""
    replaced = tuple(prefix for prefix, _ in names.RUNTIME_MODULES)
    found = {n for n, bound in module.bindings.items() if not (isinstance(bound, str) and bound.startswith(replaced))}
    for unit in module.units:
        for node in ast.walk(unit.node):
            if isinstance(node, ast.arg):
                found.add(node.arg)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
    return found


def dotted_name(node: cst.BaseExpression) -> str | None:
    """`a.b.c` of a chain of attributes on a name; None for anything else."""
    parts: list[str] = []
    while isinstance(node, cst.Attribute):
        parts.append(node.attr.value)
        node = node.value
    if not isinstance(node, cst.Name):
        return None
    return ".".join([node.value, *reversed(parts)])


def pair_statements(concrete: cst.CSTNode, abstract: ast.AST, pairs: dict[cst.CSTNode, ast.stmt]) -> None:
    """Fill `pairs` with the ast statement of every libcst statement: both trees list them in the same order."""
    for node, statement in zip(_concrete_statements(concrete), _abstract_statements(abstract), strict=True):
        pairs[node] = statement
        pair_statements(node, statement, pairs)


def _concrete_statements(node: cst.CSTNode) -> list[cst.CSTNode]:
    """Statements directly below `node`: those of its block and of its further branches."""
    match node:
        case cst.Module(body=body) | cst.IndentedBlock(body=body) | cst.SimpleStatementSuite(body=body):
            found: list[cst.CSTNode] = []
            for child in body:
                found += child.body if isinstance(child, cst.SimpleStatementLine) else [child]
            return found
        case cst.If(body=body, orelse=orelse):
            rest = [orelse] if isinstance(orelse, cst.If) else _concrete_statements(orelse) if orelse else []
            return [*_concrete_statements(body), *rest]
        case cst.Try() | cst.TryStar():
            parts = [node.body, *node.handlers, *(p for p in (node.orelse, node.finalbody) if p)]
            return [statement for part in parts for statement in _concrete_statements(part)]
        case cst.For(body=body, orelse=orelse) | cst.While(body=body, orelse=orelse):
            return [*_concrete_statements(body), *(_concrete_statements(orelse) if orelse else [])]
        case cst.Match(cases=cases):
            return [statement for part in cases for statement in _concrete_statements(part)]
        case cst.FunctionDef() | cst.ClassDef() | cst.With() | cst.Else() | cst.Finally() | cst.ExceptHandler():
            return _concrete_statements(node.body)
        case cst.ExceptStarHandler() | cst.MatchCase():
            return _concrete_statements(node.body)
    return []


def _abstract_statements(node: ast.AST) -> list[ast.stmt]:
    found: list[ast.stmt] = []
    for name in ("body", "cases", "handlers", "orelse", "finalbody"):
        part = getattr(node, name, None)
        for child in part if isinstance(part, list) else ():
            if isinstance(child, ast.stmt):
                found.append(child)
            elif isinstance(child, ast.ExceptHandler | ast.match_case):
                found += child.body
    return found


def function_scope(function: FunctionNode, receiver: str, imports: dict[str, str], nested: bool) -> Scope:
    bound = bound_names(function)
    return Scope(bound, imports, container_names(function), function, receiver, False, nested)
