"""Rewriting of one unit: parse its lines, pair its statements with the index's, run the one pass."""

from __future__ import annotations

import ast
from collections.abc import Callable

import libcst as cst

from translators import hubs
from translators.class_graph import ClassGraph
from translators.index import Index, Module, Unit, assigned_names
from translators.limits import LimitExceeded, limited
from translators.registries import Registries, Registry, foreign_spelling
from translators.rewriting.calls import Calls
from translators.rewriting.context import Scope, Surroundings, names_stored, pair_statements
from translators.rewriting.definitions import Definitions
from translators.rewriting.effects import Effects
from translators.rewriting.folding import Folding
from translators.rewriting.references import References
from translators.rewriting.refusals import call_text, refusal
from translators.rewriting.store import Store
from translators.rewriting.unit import Rewritten

# libcst's native parser overflows its stack, and ends the process, on what is nested some thousand levels deep.
_DEEPEST = 150
# What descriptions of weights are asked for when there are none.
_VERIFY = "    verify = staticmethod(lambda weights: None)"


class _Pass(References, Calls, Folding, Definitions):
    """All families in one pass."""


class Rewriter:
    """Rewrites units of an index, each once."""

    def __init__(self, index: Index, classes: ClassGraph, keeps: Callable[[str], bool], store: Store | None = None):
        self.index = index
        self.classes = classes
        self.keeps = keeps
        self.store = store
        self.registries = Registries(index)
        self._surroundings: dict[str, Surroundings] = {}
        self._done: dict[Unit, Rewritten] = {}
        self._effects = Effects(classes)

    def rewrite(self, unit: Unit) -> Rewritten:
        if unit not in self._done:
            self._done[unit] = self._rewrite(unit)
        return self._done[unit]

    def withdraw(self, unit: Unit, message: str) -> bool:
        """Refuse a unit that turned out to be outside the allow-list; of a completed constant, all its parts.

        False when it had been refused before.
        """
        if self.rewrite(unit).failure is not None:
            return False
        parts = [unit]
        if unit.kind == "extension":
            parts += [
                part for name in unit.names for part in unit.module.bindings.get(name, ()) if isinstance(part, Unit)
            ]
        for part in parts:
            done = self.rewrite(part)
            done.failure = done.failure or refusal(unit.module, unit.node, "R15", "", unit.name, message)
        return True

    def surroundings(self, module: Module) -> Surroundings:
        if module.name not in self._surroundings:
            found = Surroundings(self.index, module, names_stored(module), self.classes.method_names, self._effects)
            self._surroundings[module.name] = found
        return self._surroundings[module.name]

    def _rewrite(self, unit: Unit) -> Rewritten:
        if unit.qualified_name in hubs.DEFINITIONS:
            return Rewritten(unit, hubs.DEFINITIONS[unit.qualified_name].strip("\n"))
        if self._only_names_weights(unit):
            members = [f"    {name} = None" for name in sorted(_members(unit.node))]
            return Rewritten(unit, "\n".join([f"class {unit.name}:", *members, _VERIFY]))
        if unit in self.registries.found:
            return self._registry(self.registries.found[unit])
        if unit in self.registries.kinds:
            text = "" if unit.name == "Registry" else f"{unit.name} = Registry"
            return Rewritten(unit, text, namespaces={"Registry": "translators.runtime.support.Registry"})
        if self.registries.completes(unit):
            return Rewritten(unit)
        kept = self.store.get(unit) if self.store is not None else None
        return kept if kept is not None else self._rewrite_anew(unit)

    def _rewrite_anew(self, unit: Unit) -> Rewritten:
        if _is_deeper(unit.node, _DEEPEST):
            found = refusal(
                unit.module, unit.node, "R15", "", unit.name, f"{unit.name} is nested deeper than {_DEEPEST}"
            )
            return Rewritten(unit, failure=found)
        try:
            with limited():
                tree, pairs = _parse(unit)
                visitor = _Pass(self.surroundings(unit.module), self.classes, unit, pairs)
                visitor.keeps = self.keeps
                if unit.kind in ("constant", "extension"):
                    bindings = unit.module.bindings
                    loose = {name for name in assigned_names(unit.node) if not isinstance(bindings.get(name), tuple)}
                    visitor.scopes.append(Scope(loose))
                result = tree.visit(visitor)
                assert isinstance(result, cst.Module)
                visitor.result.text = result.code.strip("\n")
            if visitor.result.later and _uses_unsupported(visitor.result.text):
                visitor.result.failure = visitor.result.later[0]
            if self.store is not None:
                self.store.put(visitor.result)
            return visitor.result
        except (cst.ParserSyntaxError, cst.CSTValidationError, LimitExceeded) as error:
            message = f"not rewritable: {str(error).splitlines()[0]}"
            return Rewritten(unit, failure=refusal(unit.module, unit.node, "R15", "", unit.name, message))

    def _registry(self, registry: Registry) -> Rewritten:
        """The table that the sources fill, with what the runtime has and what they define."""
        unit = registry.unit
        result = Rewritten(unit, entries={}, namespaces={"Registry": "translators.runtime.support.Registry"})
        aliases = self.surroundings(unit.module).aliases
        assert result.entries is not None
        for name, symbol in registry.entries.items():
            if symbol.kind == "unit":
                result.entries[name] = (symbol.units[-1], _entry(result, symbol.units[-1], symbol.name))
                continue
            spelled = foreign_spelling(symbol)
            if spelled is None:
                refused = refusal(unit.module, unit.node, "R10", "", symbol.name)
                result.entries[name] = (None, call_text(refused, "refuse"))
                result.namespaces["refuse"] = "translators.runtime.support.refuse"
                continue
            alias = aliases[spelled.imported]
            result.namespaces[alias] = f"translators.runtime.{spelled.imported}"
            result.entries[name] = (None, ".".join([alias, *spelled.expression.split(".")[1:]]))
        parent = ""
        if registry.parent is not None:
            parent = f"    parent={_import(result, registry.parent, registry.parent.qualified_name)},\n"
            result.references.add(registry.parent)
            result.eager.add(registry.parent)
        result.text = f"{unit.name} = Registry(\n    {unit.name!r},\n    {{}},\n{parent})"
        return result

    def _only_names_weights(self, unit: Unit) -> bool:
        cls = self.classes.classes.get(unit)
        return cls is not None and any(
            symbol is not None and symbol.kind == "unit" and symbol.units[-1].qualified_name in hubs.NAMES_ONLY
            for _, symbol in cls.bases
        )


def _members(node: ast.stmt) -> set[str]:
    """Names that the body of a class assigns."""
    body = node.body if isinstance(node, ast.ClassDef) else []
    targets = [target for statement in body if isinstance(statement, ast.Assign) for target in statement.targets]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _entry(result: Rewritten, unit: Unit, name: str) -> str:
    """How a registry spells a class: by its module, for what it registers builds from it in turn."""
    defined = name.rpartition(".")[2]
    if unit.module is result.unit.module:
        return defined
    local = unit.module.name.replace(".", "_")
    result.modules[local] = unit.module
    return f"{local}.{defined}"


def _import(result: Rewritten, unit: Unit, name: str) -> str:
    """A local name for a unit that the source of `result` does not name itself."""
    defined = name.rpartition(".")[2]
    if unit.module is result.unit.module:
        return defined
    taken = result.imports.get(defined, (unit, defined)) != (unit, defined)
    local = name.replace(".", "_") if taken or defined in result.unit.module.bindings else defined
    result.imports[local] = (unit, defined)
    return local


def _parse(unit: Unit) -> tuple[cst.Module, dict[cst.CSTNode, ast.stmt]]:
    """The unit's lines with the comment above them, as a module of its own."""
    lines = unit.module.lines
    first = unit.first_line - 1
    while first > 0 and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    text = "\n".join(lines[first : unit.last_line]) + "\n"
    column = unit.node.col_offset
    if column:  # defined inside a branch or try that has been decided
        tree = cst.parse_module("if True:\n" + text)
        branch = tree.body[0]
        assert isinstance(branch, cst.If)
        tree = tree.with_changes(body=branch.body.body)
    else:
        tree = cst.parse_module(text)
    pairs: dict[cst.CSTNode, ast.stmt] = {}
    pair_statements(tree, ast.Module([unit.node], []), pairs)
    return tree, pairs


def _uses_unsupported(text: str) -> bool:
    """Whether the module would fail when imported: what stands for a refused value may be stored, but not used."""
    if "unsupported(" not in text:
        return False
    try:
        tree = ast.parse(text)
    except SyntaxError:  # it stands where something is assigned or deleted
        return True
    for node in ast.walk(tree):
        holds = isinstance(
            node, ast.Dict | ast.List | ast.Tuple | ast.Set | ast.keyword | ast.Assign | ast.AnnAssign | ast.arguments
        )
        if not holds and any(_is_stand_in(child) for child in ast.iter_child_nodes(node)):
            return True
    return False


def _is_stand_in(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "unsupported"


def _is_deeper(node: ast.AST, limit: int) -> bool:
    level: list[ast.AST] = [node]
    for _ in range(limit):
        level = [child for parent in level for child in ast.iter_child_nodes(parent)]
        if not level:
            return False
    return True
