"""Classes of an index: bases across files, methods, which derive from nn.Module, and which cannot be emitted at all."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from translators.diagnostics import Refusal
from translators.environment import dotted
from translators.index import Index, Symbol, Unit
from translators.rewriting import names
from translators.rewriting.refusals import refusal
from translators.rewriting.scopes import FunctionNode

_METACLASSES = {"abc.ABCMeta"}
_PLAIN_BASES = {"typing.NamedTuple", "typing.Generic", "typing.Protocol", "typing.TypedDict", "abc.ABC"}


@dataclass(frozen=True, eq=False)
class Class:
    """A class unit. `bases` pairs each base's spelling with what it resolves to; None for an expression."""

    unit: Unit
    bases: tuple[tuple[str, Symbol | None], ...]

    @property
    def node(self) -> ast.ClassDef:
        assert isinstance(self.unit.node, ast.ClassDef)
        return self.unit.node

    @cached_property
    def methods(self) -> dict[str, FunctionNode]:
        return {node.name: node for node in _definitions(self.node.body)}


class ClassGraph:
    """All classes of an index, by unit."""

    def __init__(self, index: Index):
        self.index = index
        self.classes: dict[Unit, Class] = {}
        for module in index.modules.values():
            for unit in module.units:
                if isinstance(unit.node, ast.ClassDef):
                    self.classes[unit] = Class(unit, tuple(self._bases(unit, unit.node)))
        self._is_module: dict[Unit, bool] = {}
        self._outside = frozenset(self._outside_modules())
        self._failures: dict[Unit, Refusal | None] = {}

    @cached_property
    def method_names(self) -> frozenset[str]:
        """Names of methods of any class."""
        return frozenset(name for cls in self.classes.values() for name in cls.methods)

    def _bases(self, unit: Unit, node: ast.ClassDef) -> Iterator[tuple[str, Symbol | None]]:
        for base in node.bases:
            name = dotted(base.value if isinstance(base, ast.Subscript) else base)
            yield name or ast.unparse(base), self.index.resolve(unit.module, name) if name else None

    def parents(self, cls: Class) -> Iterator[Class]:
        """Bases that are classes of the sources."""
        for _, symbol in cls.bases:
            if symbol is not None and symbol.kind == "unit" and not symbol.rest and symbol.units[-1] in self.classes:
                yield self.classes[symbol.units[-1]]

    def lineage(self, cls: Class) -> list[Class]:
        """The class and its ancestors among the sources, nearest first; each once."""
        found: list[Class] = []
        queue = [cls]
        while queue:
            current = queue.pop(0)
            if current not in found:
                found.append(current)
                queue += self.parents(current)
        return found

    def method(self, cls: Class, name: str, skip_own: bool = False) -> tuple[Class, FunctionNode] | None:
        """The definition of a method that an instance of `cls` uses."""
        for owner in self.lineage(cls)[1 if skip_own else 0 :]:
            if name in owner.methods:
                return owner, owner.methods[name]
        return None

    def is_module(self, cls: Class) -> bool:
        """Whether the class derives from nn.Module; a foreign base is taken to if some class with a forward has it."""
        if cls.unit not in self._is_module:
            self._is_module[cls.unit] = False  # a class that derives from itself
            self._is_module[cls.unit] = any(self._module_base(cls, symbol) for _, symbol in cls.bases)
        return self._is_module[cls.unit]

    def _module_base(self, cls: Class, symbol: Symbol | None) -> bool:
        if symbol is None:
            return False
        if symbol.kind == "unit":
            parent = self.classes.get(symbol.units[-1])
            return parent is not None and parent is not cls and self.is_module(parent)
        if symbol.kind not in ("foreign", "unresolved"):
            return False
        if symbol.name.startswith("torch."):
            last = symbol.name.rpartition(".")[2]
            return (
                symbol.name.startswith("torch.nn.")
                and (last[:1].isupper() or last.startswith("_"))
                and last != "Parameter"
            )
        return symbol.name in self._outside

    def _outside_modules(self) -> Iterator[str]:
        """Bases outside of sources and torch that stand alone under a class with a forward."""
        for cls in self.classes.values():
            outside = [symbol.name for _, symbol in cls.bases if symbol is not None and _is_outside(symbol)]
            if "forward" in cls.methods and len(outside) == len([s for _, s in cls.bases if not _is_plain(s)]):
                yield from outside

    def failure(self, cls: Class) -> Refusal | None:
        """Why the class statement itself cannot be emitted; None if it can."""
        if cls.unit not in self._failures:
            self._failures[cls.unit] = None
            self._failures[cls.unit] = self._find_failure(cls)
        return self._failures[cls.unit]

    def _find_failure(self, cls: Class) -> Refusal | None:
        for keyword in cls.node.keywords:
            name = dotted(keyword.value)
            found = self.index.resolve(cls.unit.module, name) if name else None
            if keyword.arg != "metaclass" or found is None or found.name not in _METACLASSES:
                return refusal(
                    cls.unit.module, cls.node, "R14", name or "", name or "metaclass", "class keyword or metaclass"
                )
        for spelling, symbol in cls.bases:
            if symbol is None:
                return refusal(
                    cls.unit.module, cls.node, "R14", spelling, spelling, f"base class {spelling} is an expression"
                )
            code = self._base_failure(symbol)
            if isinstance(code, Refusal):
                return code
            if code is not None:
                return refusal(cls.unit.module, cls.node, code, spelling, symbol.name, f"base class {symbol.name}")
        return None

    def _base_failure(self, symbol: Symbol) -> Refusal | str | None:
        if symbol.kind == "unit":
            parent = self.classes.get(symbol.units[-1])
            return self.failure(parent) if parent is not None else "R14"
        if symbol.kind == "builtin":
            return None
        if symbol.kind == "foreign":
            spell = names.spell_torch if symbol.name.startswith("torch") else names.spell_library
            found = spell(symbol.name)
            return found.code if isinstance(found, names.Unsupported) else None
        return "R14" if symbol.kind == "module" else "R01"


def _is_outside(symbol: Symbol) -> bool:
    return symbol.kind in ("foreign", "unresolved") and not symbol.name.startswith("torch.") and not _is_plain(symbol)


def _is_plain(symbol: Symbol | None) -> bool:
    return symbol is not None and (symbol.name in _PLAIN_BASES or symbol.kind == "builtin")


def _definitions(body: list[ast.stmt]) -> Iterator[FunctionNode]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        elif isinstance(node, ast.If):
            yield from _definitions([*node.orelse, *node.body])
