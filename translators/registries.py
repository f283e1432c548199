"""Registries: tables of classes that a package fills with decorators and calls, and reads by name when it builds.

`X = Registry(...)` with `@X.register...(...)` on definitions or `X.register...("name", Class)` as statements, in any of
the sources. What is registered is known without running anything; the table is emitted with `X`, and what builds from
it (`X.get`, `X.build`) is the runtime's own.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from translators.environment import dotted
from translators.index import Index, Module, Symbol, Unit, registering_calls
from translators.rewriting import names


@dataclass
class Registry:
    """The constant that holds one. `entries` maps names to what they stand for, `parent` is searched after them."""

    unit: Unit
    entries: dict[str, Symbol] = field(default_factory=dict)
    parent: Unit | None = None


class Registries:
    """All registries of an index, by unit. `kinds` are the source classes that they are made of."""

    def __init__(self, index: Index):
        self._index = index
        self.found: dict[Unit, Registry] = {}
        self.kinds: set[Unit] = set()
        for module in index.modules.values():
            for unit in module.units:
                for decorator in getattr(unit.node, "decorator_list", ()):
                    self._decorated(module, unit, decorator)
            for statement in module.registrations:
                self._stated(module, statement)
        for registry in list(self.found.values()):
            registry.parent = self._parent(registry.unit)
        for unit in self.found:
            made_of = self._constructor(unit)
            if made_of is not None and made_of.kind == "unit" and made_of.units[-1].kind == "class":
                self.kinds.add(made_of.units[-1])

    def completes(self, unit: Unit) -> bool:
        """Whether an extension only registers: the table has what it does."""
        if unit.kind != "extension" or unit.node not in unit.module.registrations:
            return False
        roots = (dotted(call.func.value) for call in registering_calls(unit.node))  # type: ignore[attr-defined]
        return any(self._constant(unit.module, root) in self.found for root in roots)

    def _decorated(self, module: Module, unit: Unit, decorator: ast.expr) -> None:
        function = decorator.func if isinstance(decorator, ast.Call) else decorator
        registry = self._registry(module, function)
        if registry is None:
            return
        given = _given_names(decorator) if isinstance(decorator, ast.Call) else []
        for name in given or [unit.name]:
            registry.entries[name] = Symbol("unit", unit.qualified_name, (unit,), module)

    def _stated(self, module: Module, statement: ast.stmt) -> None:
        loops: dict[str, list[ast.expr]] = {}
        if isinstance(statement, ast.For) and isinstance(statement.target, ast.Name):
            loops[statement.target.id] = getattr(statement.iter, "elts", [])
        for call in registering_calls(statement):
            registry = self._registry(module, call.func)
            if registry is None:
                continue
            thing = next((keyword.value for keyword in call.keywords if keyword.arg in ("module", "obj")), None)
            if thing is None:
                thing = next((argument for argument in call.args if dotted(argument)), None)
            for value in loops.get(getattr(thing, "id", ""), [thing] if thing is not None else []):
                name = dotted(value)
                symbol = self._index.resolve(module, name) if name else None
                if name is not None and symbol is not None and symbol.kind in ("unit", "foreign"):
                    for key in _given_names(call) or [name.rpartition(".")[2]]:
                        registry.entries[key] = symbol

    def _registry(self, module: Module, function: ast.expr) -> Registry | None:
        """The registry that `X.register...` fills, made when it is first met."""
        if not isinstance(function, ast.Attribute) or not function.attr.startswith("register"):
            return None
        unit = self._constant(module, dotted(function.value))
        if unit is None:
            return None
        return self.found.setdefault(unit, Registry(unit))

    def _constant(self, module: Module, name: str | None) -> Unit | None:
        """The constant made by a call that `name` stands for, through other names for it."""
        for _ in range(5):
            symbol = self._index.resolve(module, name) if name else None
            if symbol is None or symbol.kind != "unit" or symbol.rest or symbol.units[0].kind != "constant":
                return None
            unit = symbol.units[0]
            value = getattr(unit.node, "value", None)
            if isinstance(value, ast.Call):
                return unit if len(unit.names) == 1 and dotted(value.func) else None
            module, name = unit.module, dotted(value) if value is not None else None
        return None

    def _constructor(self, unit: Unit) -> Symbol | None:
        assert isinstance(unit.node, ast.Assign | ast.AnnAssign) and isinstance(unit.node.value, ast.Call)
        return self._index.resolve(unit.module, dotted(unit.node.value.func) or "")

    def _parent(self, unit: Unit) -> Unit | None:
        assert isinstance(unit.node, ast.Assign | ast.AnnAssign) and isinstance(unit.node.value, ast.Call)
        for keyword in unit.node.value.keywords:
            if keyword.arg == "parent":
                parent = self._constant(unit.module, dotted(keyword.value))
                if parent is not None:
                    return self.found.setdefault(parent, Registry(parent)).unit
        return None


def foreign_spelling(symbol: Symbol) -> names.Spelling | None:
    """How emitted code spells a registered class that is torch's, if the runtime has it."""
    found = names.spell_torch(symbol.name) if symbol.kind == "foreign" and symbol.name.startswith("torch.") else None
    return found if isinstance(found, names.Spelling) else None


def _given_names(call: ast.Call) -> list[str]:
    """The names that a registering call states: a string or several."""
    value = next((keyword.value for keyword in call.keywords if keyword.arg == "name"), None)
    if value is None:
        value = next((argument for argument in call.args if not dotted(argument)), None)
    listed = value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
    return [item.value for item in listed if isinstance(item, ast.Constant) and isinstance(item.value, str)]
