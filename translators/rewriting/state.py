"""State of the pass over one unit: where it is, what names mean there, and what has been found so far."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import libcst as cst

from translators.class_graph import ClassGraph
from translators.index import Module, Symbol, Unit
from translators.rewriting import names
from translators.rewriting.context import Resolved, Scope, Surroundings
from translators.rewriting.dispatch import Transformer
from translators.rewriting.refusals import call_text, refusal
from translators.rewriting.unit import Call, Facts, Rewritten

OF_FUNCTION = -1
_OF_DTYPES = ("is_floating_point", "is_complex")  # attributes that NumPy's dtypes lack
# Functions that run at construction, where tensors are NumPy arrays and a write through a view reaches its base.
_CONSTRUCTION = ("init", "reset_parameters", "__init__", "_weights")


class State(Transformer):
    """Base of the families. Every statement being visited is on `statements`, every scope on `scopes`."""

    def __init__(
        self, surroundings: Surroundings, classes: ClassGraph, unit: Unit, pairs: Mapping[cst.CSTNode, ast.stmt]
    ):
        super().__init__()
        self.surroundings = surroundings
        self.classes = classes
        self.unit = unit
        self.pairs = pairs
        self.result = Rewritten(unit)
        self.scopes: list[Scope] = []
        self.statements: list[ast.stmt] = [unit.node]
        self.facts: list[Facts] = []
        self.conditional = 0  # nesting of constructs that may be skipped at run time
        # For each enclosing context without gradient how many statements stand around it; OF_FUNCTION for a function.
        self.stops: list[int] = []
        self.plain = 0  # inside identifiers that are no references: attribute names, keywords, parameters
        self.replaced: dict[cst.CSTNode, cst.BaseExpression] = {}
        self.built: dict[cst.CSTNode, cst.CSTNode] = {}  # definitions, whose parts are visited one by one
        self.flattened: dict[cst.CSTNode, list[cst.BaseStatement]] = {}
        self.called: set[cst.CSTNode] = set()  # expressions that are called
        self.chained: set[cst.CSTNode] = set()  # calls whose result is written by a further in-place method
        self.stores: set[cst.CSTNode] = set()  # expressions that are assigned to
        self.in_place_attributes = self._find_in_place_attributes()
        self._expression: cst.BaseExpression | None = None  # that of the expression statement being visited

    def _find_in_place_attributes(self) -> dict[str, str]:
        cls = self.classes.classes.get(self.unit)
        return self.surroundings.effects.in_place_attributes(cls) if cls is not None else {}

    def on_visit(self, node: cst.CSTNode) -> bool:
        statement = self.pairs.get(node)
        if statement is not None:
            self.statements.append(statement)
        return super().on_visit(node)

    def on_leave(self, original_node, updated_node):  # type: ignore[no-untyped-def, override]
        result = super().on_leave(original_node, updated_node)
        if original_node in self.pairs:
            result = self.after_statement(result)
            self.statements.pop()
        return result

    def after_statement(self, result: Any) -> Any:
        """What stands for the statement that is being left."""
        return result

    @property
    def module(self) -> Module:
        return self.unit.module

    @property
    def in_function(self) -> bool:
        return any(scope.function is not None for scope in self.scopes)

    @property
    def receiver(self) -> str:
        """The name of `self` here; empty outside methods."""
        return next((scope.receiver for scope in reversed(self.scopes) if scope.receiver), "")

    def at_construction(self) -> bool:
        function = next((scope.function for scope in reversed(self.scopes) if scope.function is not None), None)
        return function is None or any(mark in function.name for mark in _CONSTRUCTION)

    def tallied(self) -> frozenset[str]:
        """Variables of the module that the function adds to, and neither it nor any other that only reads looks at."""
        function = next((scope.function for scope in self.scopes if scope.function is not None), None)
        if function is None or not self.module.tallies:
            return frozenset()
        declared = {name for node in ast.walk(function) if isinstance(node, ast.Global) for name in node.names}
        read = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        return (self.module.tallies & declared) - read

    def meaning(self, dotted: str) -> Resolved:
        return self.surroundings.resolve(self.scopes, dotted)

    def foreign(self, dotted: str | None) -> str:
        """The canonical name of something outside the sources, or of a builtin; else empty."""
        if dotted is None:
            return ""
        symbol = self.meaning(dotted).symbol
        return symbol.name if symbol is not None and symbol.kind in ("foreign", "builtin") else ""

    def remember(self, call: Call) -> None:
        """Note a call that happens whenever the current function runs."""
        if self.facts and not self.conditional:
            self.facts[-1].calls.append(call)

    def runtime(self, module: str) -> str:
        """The local name of a runtime module, imported."""
        alias = self.surroundings.aliases[module]
        self.result.namespaces[alias] = f"translators.runtime.{module}"
        return alias

    def operation(self, name: str) -> cst.BaseExpression:
        return cst.Attribute(cst.Name(self.runtime("ops")), cst.Name(name))

    def refuse(self, code: str, spelling: str, name: str, message: str = "") -> cst.BaseExpression:
        """Record a refusal here and return the expression that raises it: at once in a function, on use elsewhere."""
        found = refusal(self.module, self.statements[-1], code, spelling, name, message)
        self.result.later.append(found)
        if self.facts and not self.conditional:
            self.facts[-1].refusals.append(found)
        function = "refuse" if self.in_function else "unsupported"
        self.result.namespaces[function] = f"translators.runtime.support.{function}"
        return cst.parse_expression(call_text(found, function))

    def fail(self, code: str, spelling: str, name: str, message: str) -> None:
        """The unit as a whole cannot be emitted."""
        found = refusal(self.module, self.statements[-1], code, spelling, name, message)
        self.result.failure = self.result.failure or found

    def spell(self, dotted: str, symbol: Symbol, imported_inside: bool) -> cst.BaseExpression | None:
        """How a resolved dotted name is written in emitted code; None to leave it as it is."""
        match symbol.kind:
            case "builtin":
                if symbol.name.split(".")[0] in names.ALLOWED_BUILTINS:
                    return None
                return self.refuse("R15", dotted, symbol.name, f"builtin {symbol.name}")
            case "unit":
                return self._spell_unit(dotted, symbol, imported_inside)
            case "foreign":
                return self._spell_foreign(dotted, symbol.name)
            case "module":
                return self.refuse("R14", dotted, symbol.name, f"module {symbol.name} used as a value")
        return self.refuse("R01", dotted, dotted, f"{dotted} is defined nowhere in the sources")

    def _spell_unit(self, dotted: str, symbol: Symbol, imported_inside: bool) -> cst.BaseExpression | None:
        unit = symbol.units[-1]
        cls = self.classes.classes.get(unit)
        failure = self.classes.failure(cls) if cls is not None and unit is not self.unit else None
        if failure is not None:
            return self.refuse(failure.code, dotted, symbol.name, f"{symbol.name}: {failure.message}")
        self.result.references.update(symbol.units)
        if not self.in_function:
            self.result.eager.update(symbol.units)
        parts = dotted.split(".")
        used = parts[: len(parts) - len(symbol.rest)]
        defined = symbol.name.rpartition(".")[2]
        if symbol.module is self.module and used == [defined]:
            return None
        if imported_inside and symbol.module is not None and symbol.module is not self.module:
            # Modules that import each other do so in functions: here by module, which works before either is complete.
            return _chain(self._import_module(symbol.module), (defined, *symbol.rest))
        local = self._import(used, defined, symbol)
        return None if used == [local] else _chain(local, symbol.rest)

    def _import_module(self, module: Module) -> str:
        local = module.name.rpartition(".")[2]
        stored = self.surroundings.stored | set(self.result.imports)
        while local in stored or self.result.modules.get(local, module) is not module:
            local += "_"
        self.result.modules[local] = module
        return local

    def _import(self, used: list[str], defined: str, symbol: Symbol) -> str:
        """A local name for a unit: as the source calls it, unless that means something else at module level."""
        assert symbol.module is not None
        candidates = [used[-1], f"{symbol.module.name.rpartition('.')[2]}_{defined}", symbol.name.replace(".", "_")]
        for local in candidates:
            taken = self.result.imports.get(local)
            if taken is not None and taken != (symbol.units[-1], defined):
                continue
            if symbol.module is self.module and local == defined:
                return local
            meant = self.surroundings.index.resolve(self.module, local)
            free = meant.kind in ("unresolved", "builtin") and not any(local in scope.names for scope in self.scopes)
            if (meant.units == symbol.units and not meant.rest) or free:
                self.result.imports[local] = (symbol.units[-1], defined)
                return local
        self.result.imports[candidates[-1]] = (symbol.units[-1], defined)
        return candidates[-1]

    def _spell_foreign(self, dotted: str, name: str) -> cst.BaseExpression | None:
        if name in names.VALUES:
            return cst.parse_expression(repr(names.VALUES[name]))
        if name in names.EXPRESSIONS:
            return cst.parse_expression(names.EXPRESSIONS[name])
        if name in names.ANSWERS:
            return cst.parse_expression(f"(lambda *_: {names.ANSWERS[name]!r})")
        if name.split(".")[0] in ("torch", "einops"):
            owner, _, attribute = name.rpartition(".")
            if attribute in _OF_DTYPES and names.is_dtype(owner):
                dtype = self._spell_foreign(owner, owner)
                assert dtype is not None
                return cst.Call(self.operation(attribute), [cst.Arg(dtype)])
            found = names.spell_torch(name)
            if isinstance(found, names.Unsupported):
                return self.refuse(found.code, dotted, name)
            self.runtime(found.imported)
            _, _, rest = found.expression.partition(".")
            return _chain(self.surroundings.aliases[found.imported], tuple(rest.split(".")) if rest else ())
        found = names.spell_library(name)
        if isinstance(found, names.Unsupported):
            return self.refuse(found.code, dotted, name)
        first, _, rest = dotted.partition(".")
        self.result.namespaces[first] = name.removesuffix("." + rest) if rest else name
        return None


def _chain(first: str, rest: tuple[str, ...]) -> cst.BaseExpression:
    expression: cst.BaseExpression = cst.Name(first)
    for part in rest:
        expression = cst.Attribute(expression, cst.Name(part))
    return expression
