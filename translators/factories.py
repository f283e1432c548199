"""Model factories: functions that work out constructor arguments and call a model class."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from translators.class_graph import Class, ClassGraph
from translators.diagnostics import Refusal
from translators.environment import dotted
from translators.hubs import BUILDERS
from translators.index import Unit
from translators.mining import Argument, Provenance, arguments_of, provenance_of
from translators.rewriting.scopes import own_nodes


@dataclass(frozen=True)
class Factory:
    """A public function that needs no argument and returns an instance of one of `models`, classes of the sources.

    `arguments` are its own; with `forwards` it hands further keyword arguments on. `refusal`: why it is not translated.
    """

    qualified_name: str
    arguments: tuple[Argument, ...]
    forwards: bool
    models: tuple[str, ...]
    doc: str
    provenance: Provenance
    refusal: Refusal | None = None


def find_factories(classes: ClassGraph, paths: frozenset[str], spec: str) -> dict[Unit, tuple[Factory, list[Class]]]:
    """The factories in the files `paths` of one source, each with the classes that it makes instances of."""
    finder = _Finder(classes)
    found: dict[Unit, tuple[Factory, list[Class]]] = {}
    for module in classes.index.modules.values():
        if module.source.spec != spec or module.file.path not in paths:
            continue
        for unit in module.units:
            node = unit.node
            if not isinstance(node, ast.FunctionDef) or unit.name.startswith("_"):
                continue
            arguments = arguments_of(node)
            if any(argument.required for argument in arguments):
                continue
            models = finder.models(unit)
            if models:
                factory = Factory(
                    unit.qualified_name,
                    arguments,
                    node.args.kwarg is not None,
                    tuple(sorted(model.unit.qualified_name for model in models)),
                    (ast.get_docstring(node) or "").strip().split("\n")[0],
                    provenance_of(unit),
                )
                found[unit] = (factory, models)
    return found


class _Finder:
    """What functions return, followed through assignments and helpers."""

    def __init__(self, classes: ClassGraph):
        self._classes = classes
        self._known: dict[Unit, list[Class]] = {}

    def models(self, unit: Unit) -> list[Class]:
        """Module classes that the function returns instances of."""
        if unit not in self._known:
            self._known[unit] = []  # a function that calls itself
            self._known[unit] = _once(self._returned(unit))
        return self._known[unit]

    def _returned(self, unit: Unit) -> Iterator[Class]:
        assert isinstance(unit.node, ast.FunctionDef)
        nodes = list(own_nodes(unit.node))
        assigned: dict[str, list[ast.expr]] = {}
        for node in nodes:
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                assigned.setdefault(node.targets[0].id, []).append(node.value)
        local = {a.arg for a in ast.walk(unit.node.args) if isinstance(a, ast.arg)} | assigned.keys()
        scope = _Scope(unit, assigned, frozenset(local))
        for node in nodes:
            if isinstance(node, ast.Return) and node.value is not None:
                yield from self._made_by(node.value, scope, 0)

    def _made_by(self, value: ast.expr, scope: _Scope, depth: int) -> Iterator[Class]:
        """Classes of which an expression is an instance."""
        match value:
            case ast.Name(id=name) if depth < 4:
                for assigned in scope.assigned.get(name, ()):
                    yield from self._made_by(assigned, scope, depth + 1)
            case ast.IfExp(body=body, orelse=orelse):
                yield from self._made_by(body, scope, depth)
                yield from self._made_by(orelse, scope, depth)
            case ast.Call(func=function):
                called = self._unit(function, scope)
                if called is not None and called.qualified_name in BUILDERS:
                    for argument in [*value.args, *(keyword.value for keyword in value.keywords)]:
                        yield from self._named(argument, scope, depth)
                elif called is not None and isinstance(called.node, ast.FunctionDef):
                    yield from self.models(called)
                else:
                    yield from self._named(function, scope, depth)

    def _named(self, value: ast.expr, scope: _Scope, depth: int) -> Iterator[Class]:
        """Module classes that an expression names."""
        found = self._unit(value, scope)
        if found in self._classes.classes:
            cls = self._classes.classes[found]
            if self._classes.is_module(cls):
                yield cls
        elif isinstance(value, ast.Name) and depth < 4:
            for assigned in scope.assigned.get(value.id, ()):
                yield from self._named(assigned, scope, depth + 1)
        elif isinstance(value, ast.IfExp):
            yield from self._named(value.body, scope, depth)
            yield from self._named(value.orelse, scope, depth)

    def _unit(self, value: ast.expr, scope: _Scope) -> Unit | None:
        name = dotted(value)
        if name is None or name.split(".")[0] in scope.local:
            return None
        symbol = self._classes.index.resolve(scope.unit.module, name)
        return symbol.units[-1] if symbol.kind == "unit" and not symbol.rest else None


@dataclass(frozen=True)
class _Scope:
    unit: Unit
    assigned: dict[str, list[ast.expr]]
    local: frozenset[str]


def _once(classes: Iterator[Class]) -> list[Class]:
    return list({cls.unit: cls for cls in classes}.values())
