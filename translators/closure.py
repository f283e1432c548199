"""What a class needs, and whether something that it always reaches is refused."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from translators.class_graph import Class, ClassGraph
from translators.diagnostics import Refusal
from translators.index import Index, Unit
from translators.parsing import walk
from translators.rewriting import names
from translators.rewriting.rewriter import Rewriter

# Methods that serve pickling, printing or PyTorch's own machinery.
_NEVER_KEPT = names.words(
    """__repr__ __str__ __deepcopy__ __copy__ extra_repr _load_from_state_dict _save_to_state_dict state_dict
    load_state_dict half cuda"""
)

_FUNCTION = "torch.autograd.Function"
_DIFFERENTIATION = ("backward", "setup_context")  # methods that PyTorch calls besides `forward`


def names_in_use(index: Index, classes: ClassGraph) -> frozenset[str]:
    """Names of methods that construction or forward of some module class may call, by spelling alone."""
    bodies: dict[str, list[ast.AST]] = {}
    start: list[ast.AST] = []
    starts = {"forward", *(_DIFFERENTIATION if any(map(_is_differentiated, classes.classes.values())) else ())}
    for cls in classes.classes.values():
        plain = [node for node in cls.node.body if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        bodies.setdefault(cls.unit.name, []).extend(plain)
        for name, method in cls.methods.items():
            is_start = name in starts or name in names.DUNDER_METHODS - _NEVER_KEPT
            (start if is_start else bodies.setdefault(name, [])).append(method)
    for module in index.modules.values():
        for unit in module.units:
            if unit.kind != "class":
                for name in unit.names:
                    bodies.setdefault(name, []).append(unit.node)
    used: set[str] = set()
    queue = start
    while queue:
        for name in _identifiers(queue.pop()):
            if name not in used:
                used.add(name)
                queue.extend(bodies.get(name, ()))
    special = {name for name in used if name.startswith("__")}
    return frozenset(used - _NEVER_KEPT - special) | starts


def _is_differentiated(cls: Class) -> bool:
    """Whether a class is an autograd.Function."""
    return any(symbol is not None and names.canonical(symbol.name) == _FUNCTION for _, symbol in cls.bases)


def keeps(used: frozenset[str], name: str) -> bool:
    """Whether a method is emitted."""
    return name in used or name in names.DUNDER_METHODS - _NEVER_KEPT


def _identifiers(node: ast.AST) -> Iterable[str]:
    for part in walk(node):
        if isinstance(part, ast.Attribute):
            yield part.attr
        elif isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.alias):
            yield part.name.rpartition(".")[2]
        elif isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.isidentifier():
            yield part.value


class Closures:
    """Reachability over rewritten units."""

    def __init__(self, rewriter: Rewriter, classes: ClassGraph):
        self.rewriter = rewriter
        self.classes = classes
        self._failures: dict[Unit, Refusal | None] = {}

    def failure(self, unit: Unit) -> Refusal | None:
        """Why a unit cannot be emitted: for a class, its own reasons and those of its ancestors."""
        if unit not in self._failures:
            self._failures[unit] = self._find_failure(unit)
        return self._failures[unit]

    def withdraw(self, unit: Unit, message: str) -> bool:
        """Refuse a unit that turned out to be outside the allow-list. False when it had been refused before."""
        self._failures.clear()
        return self.rewriter.withdraw(unit, message)

    def _find_failure(self, unit: Unit) -> Refusal | None:
        cls = self.classes.classes.get(unit)
        if cls is None:
            return self.rewriter.rewrite(unit).failure
        found = self.classes.failure(cls)
        ancestors = (self.rewriter.rewrite(ancestor.unit).failure for ancestor in self.classes.lineage(cls))
        return found or next((failure for failure in ancestors if failure is not None), None)

    def third_party(self, unit: Unit) -> set[str]:
        """Names of packages outside the sources, dotted, that the unit or one of its ancestors would need."""
        failure = self.failure(unit)
        refused = [*self.rewriter.rewrite(unit).later, *([failure] if failure else [])]
        return {found.name for found in refused if found.code == "R02"}

    def units(self, roots: Iterable[Unit]) -> set[Unit]:
        """Everything that the roots refer to, directly or not; nothing behind a unit that cannot be emitted."""
        found: set[Unit] = set()
        queue = list(roots)
        while queue:
            unit = queue.pop()
            if unit not in found:
                found.add(unit)
                if self.failure(unit) is None:
                    queue += self.rewriter.rewrite(unit).references
            if not queue:
                queue += self._named_entries(found)
        return found

    def _named_entries(self, found: set[Unit]) -> set[Unit]:
        """What is registered under names that `found` spells, in the registries among `found`."""
        tables = [entries for unit in found if (entries := self.rewriter.rewrite(unit).entries) is not None]
        if not tables:
            return set()
        spelled = frozenset().union(*(unit.strings for unit in found))
        registered = ((name, unit) for table in tables for name, (unit, _) in table.items())
        return {unit for name, unit in registered if unit is not None and name in spelled} - found

    def refusal(self, unit: Unit, made: Sequence[Class] = ()) -> Refusal | None:
        """The first refusal that every construction or every forward of a class reaches, if any.

        For a function that makes instances of `made`: that every call reaches, or of all its classes the first.
        """
        cls = self.classes.classes.get(unit)
        if cls is None:
            theirs = [self.refusal(model.unit) for model in made]
            return self._walk_unit(unit, "", set()) or (theirs[0] if theirs and all(theirs) else None)
        failure = self.failure(unit)
        if failure is not None:
            return failure
        seen: set[tuple[Unit, Unit, str]] = set()
        for method in ("__init__", "forward"):
            found = self._walk_method(cls, cls, method, seen)
            if found is not None:
                return found
        return None

    def _walk_method(
        self, cls: Class, owner: Class, name: str, seen: set[tuple[Unit, Unit, str]], above: bool = False
    ) -> Refusal | None:
        """Follow method `name` of an instance of `cls`, looked up from `owner` (above it for super())."""
        definition = self.classes.method(owner, name, skip_own=above)
        if definition is None:
            return None
        return self._walk(cls, definition[0], name, seen)

    def _walk(self, cls: Class | None, owner: Class, name: str, seen: set[tuple[Unit, Unit, str]]) -> Refusal | None:
        key = (cls.unit if cls else owner.unit, owner.unit, name)
        if key in seen:
            return None
        seen.add(key)
        return self._follow(owner.unit, name, cls, owner, seen)

    def _follow(
        self, unit: Unit, name: str, cls: Class | None, owner: Class | None, seen: set[tuple[Unit, Unit, str]]
    ) -> Refusal | None:
        facts = self.rewriter.rewrite(unit).facts.get(name)
        if facts is None:
            return None
        if facts.refusals:
            return facts.refusals[0]
        for call in facts.calls:
            found = None
            if call.on == "self" and cls is not None:
                found = self._walk_method(cls, cls, call.name, seen)
            elif call.on == "super" and cls is not None and owner is not None:
                found = self._walk_method(cls, owner, call.name, seen, above=True)
            elif call.unit is not None:
                found = self._walk_unit(call.unit, call.name, seen)
            if found is not None:
                return found
        return None

    def _walk_unit(self, unit: Unit, name: str, seen: set[tuple[Unit, Unit, str]]) -> Refusal | None:
        called = self.classes.classes.get(unit)
        if called is not None:
            return self._walk_method(called, called, name or "__init__", seen)
        if name or (unit, unit, "") in seen:
            return None
        seen.add((unit, unit, ""))
        return self.failure(unit) or self._follow(unit, "", None, None, seen)
