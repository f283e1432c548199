"""Modules, imports, definitions and the class graph of a source tree, read with the standard library's `ast`."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from translators import environment
from translators.environment import UNKNOWN, Foreign
from translators.limits import LimitExceeded, limited
from translators.parsing import parse
from translators.rewriting import names
from translators.sources import Source, SourceFile, identifier

_LOADER_NAMES = frozenset(name.rpartition(".")[2] for name in names.NATIVE_LOADERS)
_BUILTINS = frozenset(dir(__builtins__) if not isinstance(__builtins__, dict) else __builtins__)


@dataclass(frozen=True, eq=False)
class Unit:
    """One top-level statement that defines something: a class, a function, a constant, or a change of a constant."""

    module: Module
    names: tuple[str, ...]
    node: ast.stmt
    kind: str  # 'class', 'function', 'constant', 'extension'
    order: int

    @property
    def name(self) -> str:
        return self.names[0]

    @property
    def qualified_name(self) -> str:
        return f"{self.module.name}.{self.name}"

    @cached_property
    def mentioned(self) -> frozenset[str]:
        """Names that the statement reads or binds, also inside functions."""
        return frozenset(node.id for node in ast.walk(self.node) if isinstance(node, ast.Name))

    @cached_property
    def strings(self) -> frozenset[str]:
        """String constants of the statement: a name that is looked up in a registry is one of them."""
        constants = (node.value for node in ast.walk(self.node) if isinstance(node, ast.Constant))
        return frozenset(value for value in constants if isinstance(value, str))

    @property
    def first_line(self) -> int:
        decorators = getattr(self.node, "decorator_list", ())
        return min([self.node.lineno, *(decorator.lineno for decorator in decorators)])

    @property
    def last_line(self) -> int:
        return self.node.end_lineno or self.node.lineno

    def __repr__(self) -> str:
        return f"Unit({self.qualified_name}:{self.node.lineno})"


@dataclass(frozen=True, eq=False)
class Module:
    """A parsed file. `bindings` maps a name to the dotted name it was imported from, or to the units that define it."""

    file: SourceFile
    source: Source
    bindings: dict[str, str | tuple[Unit, ...]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)
    registrations: list[ast.stmt] = field(default_factory=list)  # statements that call some `X.register...`

    @property
    def name(self) -> str:
        return self.file.module

    @property
    def package(self) -> str:
        return self.name if self.file.is_package else self.name.rpartition(".")[0]

    @cached_property
    def lines(self) -> list[str]:
        return self.file.text.split("\n")

    @cached_property
    def rebound(self) -> frozenset[str]:
        """Names that some function of the module assigns through `global`."""
        found = (node for unit in self.units for node in ast.walk(unit.node) if isinstance(node, ast.Global))
        return frozenset(name for node in found for name in node.names)

    @cached_property
    def tallies(self) -> frozenset[str]:
        """Of `rebound` those that no function reads without changing them too: counters for somebody outside."""
        functions = [
            list(ast.walk(node))
            for unit in self.units
            for node in ast.walk(unit.node)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        read = {
            part.id
            for parts in functions
            if not any(isinstance(part, ast.Global) for part in parts)
            for part in parts
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)
        }
        bound = {name for name in self.rebound if isinstance(self.bindings.get(name, ()), tuple)}  # no imports
        return frozenset(bound - read)

    def __repr__(self) -> str:
        return f"Module({self.name})"


@dataclass(frozen=True)
class Symbol:
    """What a dotted name stands for. `kind`: 'unit', 'module' (of the source), 'foreign', 'builtin' or 'unresolved'.

    `name` is the canonical dotted name of a foreign symbol; `rest` the attributes that follow a unit.
    """

    kind: str
    name: str
    units: tuple[Unit, ...] = ()
    module: Module | None = None
    rest: tuple[str, ...] = ()


class Index:
    """All modules of the given sources and what their names mean."""

    def __init__(self, sources: Sequence[Source]):
        self.modules: dict[str, Module] = {}
        skipped = [entry for source in sources for entry in source.skipped]
        trees: dict[str, ast.Module] = {}
        files = [(source, file) for source in sources for file in (*source.files, *source.context)]
        for owner, file in files:
            tree = parse(file.text)
            if isinstance(tree, str):
                skipped.append((file.path, tree))
                continue
            if file.module in self.modules:  # folders given together may both have a train.py
                file = replace(file, module=f"{identifier(owner.name)}.{file.module}")
            self.modules[file.module] = Module(file, owner)
            trees[file.module] = tree
        self.skipped: tuple[tuple[str, str], ...] = tuple(skipped)
        self._suffixes: dict[str, set[str]] = {}
        for name in self.modules:
            parts = name.split(".")
            for start in range(1, len(parts)):
                self._suffixes.setdefault(".".join(parts[start:]), set()).add(name)
        self._resolving: set[tuple[str, str]] = set()
        self._resolved: dict[tuple[str, str], Symbol] = {}
        # Every module and every folder of modules, with the sources that have it.
        self._places: dict[str, set[str]] = {}
        for name, module in self.modules.items():
            for end in range(1, name.count(".") + 2):
                self._places.setdefault(".".join(name.split(".")[:end]), set()).add(module.source.spec)
        self._roots: dict[str, list[str]] = {}
        self._unread = trees
        self._reading = 0
        for module in self.modules.values():
            self._read(module)

    def _read(self, module: Module) -> None:
        """Read a module if it has not been; branches of another may depend on what its names mean."""
        tree = self._unread.pop(module.name, None)
        if tree is None:
            return
        self._reading += 1
        try:
            with limited():
                _Reader(self, module).read(tree.body)
        except LimitExceeded as error:
            self.skipped += ((module.file.path, f"{error} to read"),)
            module.bindings.clear()
            module.units.clear()
        finally:
            self._reading -= 1

    def resolve(self, module: Module, dotted: str) -> Symbol:
        """What `dotted`, written at the top level of `module`, stands for."""
        key = (module.name, dotted)
        if key not in self._resolved:
            if key in self._resolving:  # names that import each other in a circle
                return Symbol("unresolved", dotted)
            self._resolving.add(key)
            try:
                self._read(module)
                found = self._resolve(module, dotted.split("."))
            finally:
                self._resolving.discard(key)
            if self._reading:  # a module that is being read may yet say something else
                return found
            self._resolved[key] = found
        return self._resolved[key]

    def _resolve(self, module: Module, parts: list[str]) -> Symbol:
        first, rest = parts[0], parts[1:]
        bound = module.bindings.get(first)
        if isinstance(bound, tuple):
            return Symbol("unit", f"{module.name}.{first}", bound, module, tuple(rest))
        if isinstance(bound, str):
            return self.qualified(".".join([bound, *rest]))
        if module.file.is_package and f"{module.name}.{first}" in self.modules:
            return self.qualified(".".join([module.name, *parts]))
        for star in module.stars:
            if star in self.modules:
                found = self.resolve(self.modules[star], ".".join(parts))
                if found.kind not in ("unresolved", "builtin") and _exported(self.modules[star], first):
                    return found
            elif star.split(".")[0] == "torch":
                if names.supported(f"{star}.{first}"):
                    return Symbol("foreign", ".".join([star, *parts]))
            elif star in names.LIBRARIES and first in names.library_names(star):
                return Symbol("foreign", ".".join([star, *parts]))
        if first in _BUILTINS:
            return Symbol("builtin", ".".join(parts))
        return Symbol("unresolved", ".".join(parts))

    def qualified(self, dotted: str) -> Symbol:
        """What an absolute dotted name stands for."""
        parts = dotted.split(".")
        for end in range(len(parts), 0, -1):
            name = ".".join(parts[:end])
            if name in self.modules:
                if end < len(parts):
                    return self.resolve(self.modules[name], ".".join(parts[end:]))
                # A package may bind the name of its submodule to something else: `from .create_act import create_act`.
                parent = self.modules.get(".".join(parts[:-1]))
                if parent is not None and parts[-1] in parent.bindings and parent.bindings[parts[-1]] != dotted:
                    return self.resolve(parent, parts[-1])
                return Symbol("module", name, module=self.modules[name])
        if parts[0] in self._places:
            return Symbol("unresolved", dotted)
        return Symbol("foreign", names.canonical(dotted))

    def absolute(self, module: Module, target: str) -> str:
        """The module that `import target`, written in `module`, finds, whatever folder it is meant to run in."""
        first = target.split(".")[0]
        if first == "torch" or first in sys.stdlib_module_names:
            return target
        for wanted in (target, first):
            for root in self._import_roots(module):
                if module.source.spec in self._places.get(root + wanted, ()):
                    return root + target
            if wanted in self._places:
                return target
        parts = target.split(".")
        for end in range(len(parts), 0, -1):
            candidates = self._suffixes.get(".".join(parts[:end]), set())
            own = sorted(name for name in candidates if self.modules[name].source is module.source)
            nearness = [_shared(name, module.name) for name in own]
            if own and nearness.count(max(nearness)) == 1:
                return ".".join([own[nearness.index(max(nearness))], *parts[end:]])
        return target

    def _import_roots(self, module: Module) -> list[str]:
        """Prefixes that absolute imports of `module` may leave out: of scripts their own folder first, nearest first;
        of a package the folder above it first."""
        if module.package not in self._roots:
            parts = module.package.split(".") if module.package else []
            folders = [".".join(parts[:end]) for end in range(len(parts), -1, -1)]
            packages = {name for name in folders if name in self.modules and self.modules[name].file.is_package}
            above = next(folder for folder in folders if folder not in packages)
            ordered = [above, *(folder for folder in folders if folder != above)]
            self._roots[module.package] = [f"{folder}." if folder else "" for folder in ordered]
        return self._roots[module.package]

    def lookup(self, module: Module) -> environment.Lookup:
        """Names of `module` for `environment.evaluate`: foreign names, literal constants, else UNKNOWN."""

        def look(dotted: str) -> Any:
            symbol = self.resolve(module, dotted)
            if symbol.kind in ("foreign", "builtin"):
                return Foreign(symbol.name)
            if symbol.kind == "unit" and not symbol.rest and not any(_assigns(unit.node) for unit in symbol.units[1:]):
                unit = symbol.units[0]
                value = getattr(unit.node, "value", None)
                if unit.kind == "constant" and value is not None and unit.name not in unit.module.rebound:
                    return self._constant(unit, value)
            return UNKNOWN

        return look

    def _constant(self, unit: Unit, value: ast.expr) -> Any:
        key = (unit.module.name, f"={unit.name}")
        if key in self._resolving or len(unit.names) != 1:
            return UNKNOWN
        self._resolving.add(key)
        try:
            found = environment.evaluate(value, self.lookup(unit.module))
        finally:
            self._resolving.discard(key)
        # Only what looks like an answer about the surroundings: the text should stay like its source.
        is_version = isinstance(found, str) and not isinstance(found, Foreign) and isinstance(value, ast.Attribute)
        return found if isinstance(found, bool | tuple) or found is None or is_version else UNKNOWN

    def succeeds(self, module: Module, statements: Sequence[ast.stmt]) -> bool:
        """Whether all imports among the statements of a `try` in `module` would work; no compiled code ever loads."""
        imports = [node for node in statements if isinstance(node, ast.Import | ast.ImportFrom)]
        return all(self._importable(module, node) for node in imports) and not any(
            isinstance(node, ast.Call) and self._loads_compiled(module, environment.dotted(node.func))
            for statement in statements
            if isinstance(statement, ast.Expr | ast.Assign)
            for node in (statement.value,)
        )

    def _loads_compiled(self, module: Module, function: str | None) -> bool:
        """Whether a function, written in `module`, loads compiled code."""
        if function is None or function.rpartition(".")[2] not in _LOADER_NAMES:
            return False
        symbol = self.resolve(module, function)
        return symbol.kind == "foreign" and symbol.name in names.NATIVE_LOADERS

    def _importable(self, module: Module, node: ast.Import | ast.ImportFrom) -> bool:
        if isinstance(node, ast.Import):
            return all(self.available(self.absolute(module, alias.name)) for alias in node.names)
        return bool(node.level) or self.available(self.absolute(module, node.module or ""))

    def available(self, module: str) -> bool:
        """Whether importing `module` would work: part of the sources, torch, or on the allow-list."""
        root = module.split(".")[0]
        return (
            self.qualified(module).kind != "foreign"
            or root == "torch"
            or root in sys.stdlib_module_names
            or (module in names.LIBRARIES or root in ("numpy", "einops"))
        )


class _Reader:
    """Reads the statements of one module into its bindings and units."""

    def __init__(self, index: Index, module: Module):
        self.index = index
        self.module = module

    def read(self, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            match statement:
                case ast.Import() | ast.ImportFrom():
                    for name, target in imported_names(self.index, self.module, statement):
                        if name == "*":
                            self.module.stars.append(target)
                        else:
                            self.module.bindings[name] = target
                case ast.ClassDef(name=name):
                    self._define(statement, (name,), "class")
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    if not _is_overload(statement):
                        self._define(statement, (name,), "function")
                case ast.If(test=test, body=body, orelse=orelse):
                    self._branch(statement, test, body, orelse)
                case ast.Try():
                    self._attempt(statement)
                case ast.With(body=body):
                    self.read(body)
                case _:
                    self._constant(statement)

    def _branch(
        self, statement: ast.stmt, test: ast.expr, body: Sequence[ast.stmt], orelse: Sequence[ast.stmt]
    ) -> None:
        if _is_main_guard(test):
            return
        value = environment.evaluate(test, self.index.lookup(self.module))
        if value is UNKNOWN or isinstance(value, Foreign):
            self.module.registrations.extend(s for s in [*body, *orelse] if any(True for _ in registering_calls(s)))
            self._constant(statement)
        else:
            self.read(body if value else orelse)

    def _attempt(self, statement: ast.Try) -> None:
        """Of `try: import x` the branch that would run; any other try is taken to succeed."""
        if self.index.succeeds(self.module, statement.body):
            self.read([*statement.body, *statement.orelse, *statement.finalbody])
        else:
            self.read([*(statement.handlers[0].body if statement.handlers else ()), *statement.finalbody])

    def _constant(self, statement: ast.stmt) -> None:
        targets = tuple(assigned_names(statement))
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.If | ast.For) and targets:
            kind = "constant"
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            return
        elif isinstance(statement, ast.Expr | ast.AugAssign | ast.Assign | ast.For):
            kind = "extension"
        else:
            return
        if isinstance(statement, ast.For | ast.AugAssign):
            kind = "extension"
        if kind == "extension":
            if any(True for _ in registering_calls(statement)):
                self.module.registrations.append(statement)
            if isinstance(statement, ast.Assign) and environment.dotted(statement.targets[0]) is not None:
                return  # an attribute such as __annotations__ or __doc__ of a class or function
            mentioned = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
            targets = tuple(sorted(self._constants(mentioned)))
            if not targets:
                return
        self._define(statement, targets, kind)

    def _constants(self, mentioned: set[str]) -> set[str]:
        """Constants of the module among `mentioned`, and what their values mention: a change may reach all."""
        found: set[str] = set()
        queue = sorted(mentioned)
        while queue:
            name = queue.pop()
            units = self._units(name)
            if name not in found and units and all(unit.kind in ("constant", "extension") for unit in units):
                found.add(name)
                queue += [name for unit in units for name in unit.mentioned]
        return found

    def _units(self, name: str) -> tuple[Unit, ...]:
        bound = self.module.bindings.get(name)
        return bound if isinstance(bound, tuple) else ()

    def _define(self, statement: ast.stmt, targets: tuple[str, ...], kind: str) -> None:
        unit = Unit(self.module, targets, statement, kind, len(self.module.units))
        self.module.units.append(unit)
        for name in targets:
            # A constant may be built in several statements; a class or function replaces what had its name.
            earlier = self._units(name) if kind in ("constant", "extension") else ()
            self.module.bindings[name] = (*earlier, unit)


def imported_names(index: Index, module: Module, node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """(bound name, absolute dotted name) of an import statement in `module`; the name `*` for a star import."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            target = index.absolute(module, alias.name)
            if alias.asname:
                yield alias.asname, target
            else:
                yield alias.name.split(".")[0], target if target != alias.name else alias.name.split(".")[0]
        return
    if node.level:
        package = module.package.split(".") if module.package else []
        kept = package[: len(package) - (node.level - 1)]
        base = ".".join([*kept, *([node.module] if node.module else [])])
    else:
        base = index.absolute(module, node.module or "")
    for alias in node.names:
        if alias.name == "*":
            yield "*", base
        else:
            yield alias.asname or alias.name, f"{base}.{alias.name}" if base else alias.name


def assigned_names(statement: ast.stmt) -> Iterator[str]:
    """Names that a module-level statement binds, in order, without those inside functions and classes."""
    seen = set()
    stack: list[ast.AST] = [statement]
    while stack:
        node = stack.pop(0)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if node.name not in seen:
                seen.add(node.name)
                yield node.name
            continue
        if isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id not in seen:
            seen.add(node.id)
            yield node.id
        stack.extend(ast.iter_child_nodes(node))


def registering_calls(statement: ast.stmt) -> Iterator[ast.Call]:
    """Every `X.register...(...)` in a statement outside functions."""
    if isinstance(statement, ast.Expr | ast.For):
        for node in ast.walk(statement):
            function = node.func if isinstance(node, ast.Call) else None
            if isinstance(function, ast.Attribute) and function.attr.startswith("register"):
                assert isinstance(node, ast.Call)
                yield node


def _shared(a: str, b: str) -> int:
    """How many leading parts two dotted names share."""
    same = [x == y for x, y in zip(a.split("."), b.split("."), strict=False)]
    return same.index(False) if False in same else len(same)


def _exported(module: Module, name: str) -> bool:
    """Whether `from module import *` gives `name`."""
    return not name.startswith("_") or name in _declared(module)


def _declared(module: Module) -> set[str]:
    bound = module.bindings.get("__all__")
    if not isinstance(bound, tuple):
        return set()
    return {
        n.value
        for unit in bound
        for n in ast.walk(unit.node)
        if isinstance(n, ast.Constant) and isinstance(n.value, str)
    }


def _assigns(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.If)


def _is_main_guard(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and environment.dotted(test.left) == "__name__"


def _is_overload(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any((environment.dotted(d) or "").endswith("overload") for d in node.decorator_list)
