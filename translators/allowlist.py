"""What emitted code may hold: the check on its final syntax tree, run again before any of it is executed.

A filter for sane candidates, not a wall: translated code runs in worker processes.
"""

from __future__ import annotations

import ast
import builtins
import re
import symtable
import types
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from translators.parsing import walk
from translators.rewriting import names

_RUNTIME = "translators.runtime"
_SUPPORT = names.words(
    """later Registry refuse unsupported refuse_alias refuse_same look_up require set_item get_item
    update_item unless_in_place unless_written activated"""
)
_DUNDER_ATTRIBUTES = names.words("__init__ __call__ __name__ __module__ __qualname__")
# Ways from an object to frames, code and class hierarchies.
_FORBIDDEN_ATTRIBUTES = frozenset(
    name
    for kind in (
        *(types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType),
        *(types.TracebackType, types.FrameType, types.CodeType),
    )
    for name in dir(kind)
    if "_" in name and not name.startswith("__")
) | {"mro"}
_DECORATORS = names.words(
    """staticmethod classmethod property functools.wraps functools.lru_cache functools.cache functools.cached_property
    functools.partial dataclasses.dataclass enum.unique"""
)
# The last four are of constants that are completed after their definition.
_STATEMENTS = (
    *(ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.FunctionDef, ast.ClassDef),
    *(ast.If, ast.For, ast.Expr, ast.Pass),
)
_FORBIDDEN_NODES = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await, ast.Global)
_CHECKED = (
    *_FORBIDDEN_NODES,
    *(ast.Import, ast.ImportFrom, ast.Attribute, ast.Name, ast.Call, ast.FunctionDef, ast.ClassDef, ast.Constant),
    ast.Expr,
)
_STRANGE = re.compile(r"[^ -~\n\t]")
_EMITTED_MODULE = re.compile(r"'\.+[^\W\d]\w*(\.[^\W\d]\w*)*'")
_FORMAT_FIELD = re.compile(r"\{[^{}]*__")


@dataclass(frozen=True)
class Violation:
    """Something that the allow-list has not, and where."""

    line: int
    message: str


def check_allowed(text: str) -> tuple[Violation, ...]:
    """What in `text` is outside the allow-list, by line; empty when it may be executed."""
    for strange in _STRANGE.finditer(text):
        if unicodedata.category(strange[0]) in ("Cf", "Cc", "Co", "Cs"):
            return (Violation(text.count("\n", 0, strange.start()) + 1, "control or formatting character"),)
    try:
        tree = ast.parse(text)
        table = symtable.symtable(text, "<emitted>", "exec")
        nodes = [node for node in walk(tree) if isinstance(node, _CHECKED)]
        found = [*_Checker(tree, nodes).violations(), *_unknown_names(table, nodes)]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return (Violation(getattr(error, "lineno", None) or 1, f"not parsable: {type(error).__name__}"),)
    return tuple(sorted(set(found), key=lambda violation: (violation.line, violation.message)))


class _Checker:
    def __init__(self, tree: ast.Module, nodes: Sequence[ast.AST]):
        self.tree = tree
        self.nodes = nodes
        self.modules: dict[str, str] = {}  # local name -> module it is
        self.imported: dict[str, str] = {}  # local name -> dotted name of what was taken from a module

    def violations(self) -> Iterator[Violation]:
        docstrings = {id(node.value) for node in self.nodes if isinstance(node, ast.Expr)}
        for statement in self.tree.body:
            if not isinstance(statement, _STATEMENTS):
                yield Violation(statement.lineno, f"{type(statement).__name__} at module level")
            elif isinstance(statement, ast.Expr) and not self._completes(statement.value):
                yield Violation(statement.lineno, "expression at module level")
        called = {id(node.func) for node in self.nodes if isinstance(node, ast.Call)}
        for node in self.nodes:
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield from self._import(node)
        for node in self.nodes:
            match node:
                case _ if isinstance(node, _FORBIDDEN_NODES):
                    yield Violation(node.lineno, f"{type(node).__name__} is not allowed")
                case ast.Attribute(attr=attribute):
                    yield from self._attribute(node, attribute)
                case ast.Name(id=name):
                    if name.startswith("__") and name not in ("__name__", "__all__"):
                        yield Violation(node.lineno, f"name {name}")
                    elif name in ("getattr", "setattr") and id(node) not in called:
                        yield Violation(node.lineno, f"{name} used as a value")
                case ast.Call():
                    yield from self._call(node)
                case ast.FunctionDef(name=name):
                    if name.startswith("__") and name not in names.DUNDER_METHODS:
                        yield Violation(node.lineno, f"method {name}")
                    yield from self._decorators(node)
                case ast.ClassDef(keywords=keywords):
                    if keywords:
                        yield Violation(node.lineno, "class keyword or metaclass")
                    yield from self._decorators(node)
                case ast.Constant(value=str(value)):
                    if id(node) not in docstrings and _FORMAT_FIELD.search(value):
                        yield Violation(node.lineno, "format field with a private attribute")

    def _completes(self, value: ast.expr) -> bool:
        """Whether an expression is a docstring or a call of something that this file defines."""
        if isinstance(value, ast.Constant):
            return True
        root = value.func if isinstance(value, ast.Call) else None
        while isinstance(root, ast.Attribute | ast.Subscript):
            root = root.value
        if not isinstance(root, ast.Name):
            return False
        return any(root.id in _bound_by(statement) for statement in self.tree.body)

    def _import(self, node: ast.Import | ast.ImportFrom) -> Iterator[Violation]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name not in names.LIBRARIES:
                    yield Violation(node.lineno, f"import of {alias.name}")
                self.modules[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
            return
        module = node.module or ""
        for alias in node.names:
            local = alias.asname or alias.name
            if alias.name == "*" or alias.name.startswith("__"):
                yield Violation(node.lineno, f"import of {alias.name} from {module}")
            elif node.level or (module, alias.name) == ("__future__", "annotations"):
                continue
            elif module == _RUNTIME and alias.name in names.RUNTIME_ALIASES:
                self.modules[local] = f"{_RUNTIME}.{alias.name}"
            elif alias.name in (_SUPPORT if module == f"{_RUNTIME}.support" else _names_of(module)):
                self.imported[local] = f"{module}.{alias.name}"
            else:
                yield Violation(node.lineno, f"import of {alias.name} from {module or '.'}")

    def _attribute(self, node: ast.Attribute, attribute: str) -> Iterator[Violation]:
        is_private = attribute.startswith("__") and attribute not in _DUNDER_ATTRIBUTES
        if is_private or _is_forbidden(attribute):
            yield Violation(node.lineno, f"attribute {attribute}")
        elif isinstance(node.value, ast.Name) and node.value.id in self.modules:
            module = self.modules[node.value.id]
            if module.startswith(_RUNTIME):
                known = names.runtime_names(module.rpartition(".")[2])
            else:
                known = _names_of(module)
            if attribute not in known:
                yield Violation(node.lineno, f"{module}.{attribute}")
        elif not isinstance(node.ctx, ast.Load) and isinstance(node.value, ast.Name) and node.value.id in self.imported:
            yield Violation(node.lineno, f"assignment to an attribute of {node.value.id}")

    def _call(self, node: ast.Call) -> Iterator[Violation]:
        if not isinstance(node.func, ast.Name):
            return
        if node.func.id in ("getattr", "setattr", "hasattr"):
            if len(node.args) < 2 or any(isinstance(argument, ast.Starred) for argument in node.args) or node.keywords:
                yield Violation(node.lineno, f"{node.func.id} with unusual arguments")
            elif node.func.id != "hasattr" or isinstance(node.args[1], ast.Constant):
                name = node.args[1].value if isinstance(node.args[1], ast.Constant) else None
                if not isinstance(name, str) or name.startswith("__") or _is_forbidden(name):
                    yield Violation(node.lineno, f"{node.func.id} with a name that is not a plain constant")
        elif self.imported.get(node.func.id) == f"{_RUNTIME}.support.later":
            given = [ast.unparse(argument) for argument in node.args]
            if node.keywords or len(given) != 2 or given[0] != "__name__" or not _EMITTED_MODULE.fullmatch(given[1]):
                yield Violation(node.lineno, "later with unusual arguments")
        elif node.func.id == "type" and len(node.args) + len(node.keywords) != 1:
            yield Violation(node.lineno, "class made by type()")

    def _decorators(self, node: ast.FunctionDef | ast.ClassDef) -> Iterator[Violation]:
        for decorator in node.decorator_list:
            expression = decorator.func if isinstance(decorator, ast.Call) else decorator
            if isinstance(expression, ast.Attribute) and expression.attr in ("setter", "getter"):
                continue
            name = ast.unparse(expression)
            first, dot, rest = name.partition(".")
            if self.imported.get(first, self.modules.get(first, first)) + dot + rest not in _DECORATORS:
                yield Violation(node.lineno, f"decorator {name}")


def _bound_by(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.ImportFrom) and statement.level:  # another emitted module
        return {alias.asname or alias.name for alias in statement.names}
    return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _is_forbidden(attribute: str) -> bool:
    return attribute in _FORBIDDEN_ATTRIBUTES or attribute.startswith("func_")


def _names_of(module: str) -> frozenset[str]:
    return names.library_names(module) if module in names.LIBRARIES else frozenset()


def _unknown_names(table: symtable.SymbolTable, nodes: Sequence[ast.AST]) -> Iterator[Violation]:
    """Names that are bound nowhere in the file and are no allowed builtin."""
    bound = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    bound |= {child.get_name() for child in table.get_children()}
    lines = {node.id: node.lineno for node in nodes if isinstance(node, ast.Name)}
    for scope in _scopes(table):
        for symbol in scope.get_symbols():
            name = symbol.get_name()
            free = symbol.is_global() if scope is not table else name not in bound
            if symbol.is_referenced() and free and name not in bound and name not in names.ALLOWED_BUILTINS:
                kind = "builtin" if hasattr(builtins, name) else "unresolved name"
                yield Violation(lines.get(name, 1), f"{kind} {name}")


def _scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _scopes(child)
