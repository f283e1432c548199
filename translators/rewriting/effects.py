"""Which parameters a function writes into: what its callers pass there holds something else afterwards."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence

from translators.class_graph import Class, ClassGraph
from translators.environment import dotted
from translators.index import Module, Symbol, Unit
from translators.rewriting import methods
from translators.rewriting.aliases import MAYBE, SAME, VIEW, Aliases, analyse, roots
from translators.rewriting.module_writes import ALWAYS, in_place_attributes, is_flagged
from translators.rewriting.scopes import FunctionNode, bound_names, own_nodes, parameters


class Effects:
    """Writes of the functions and methods of some sources, each found once."""

    def __init__(self, classes: ClassGraph):
        self.classes = classes
        self._known: dict[FunctionNode, frozenset[str]] = {}
        self._attributes: dict[Class, dict[str, str]] = {}
        self._passing: dict[Class, frozenset[str]] = {}
        self._given: dict[Class, frozenset[str]] = {}
        self._returns: dict[FunctionNode, dict[str, str]] = {}

    def of_class(self, unit: Unit) -> frozenset[str]:
        """Parameters of forward that calling an instance writes into."""
        cls = self.classes.classes.get(unit)
        found = self.classes.method(cls, "forward") if cls is not None else None
        return self._of(found[1], found[0].unit.module, cls) if found is not None else frozenset()

    def of_call(self, name: str, symbol: Symbol | None, cls: Class | None) -> tuple[Sequence[str], frozenset[str]]:
        """Parameters, and those written, of what `name(...)` calls: a method of `cls` or a function of the sources."""
        found = self._called(name, symbol, cls)
        return (found[0], self._of(*found[1:])) if found is not None else ((), frozenset())

    def aliases(
        self, function: FunctionNode, module: Module, cls: Class | None, given: Mapping[str, str] | None = None
    ) -> Aliases:
        """Which names of a function share memory; `given` names what its callers pass for its parameters."""
        groups = {name: {caller: SAME} for name, caller in (given or {}).items()}
        return analyse(function, groups, lambda call: self._returned(call, module, cls, bound_names(function)))

    def widest_aliases(self, function: FunctionNode, module: Module, cls: Class | None) -> Aliases:
        """The same where also modules that the class was given, or that a class it was given makes, may hand on what
        they are called with, as `nn.Identity` does."""
        local, given = bound_names(function), self._given_modules(cls) if cls is not None else frozenset()

        def returned(call: ast.Call) -> Iterator[tuple[ast.expr, str]]:
            if (dotted(call.func) or "").removeprefix("self.") in given:
                return ((argument, MAYBE) for argument in call.args[:1])
            return self._returned(call, module, cls, local)

        return analyse(function, None, returned)

    def _called(
        self, name: str, symbol: Symbol | None, cls: Class | None
    ) -> tuple[Sequence[str], FunctionNode, Module, Class | None] | None:
        """Parameters to pass, definition, module and class of what `name(...)` calls."""
        if symbol is not None and symbol.kind == "unit" and not symbol.rest:
            function = symbol.units[-1].node
            if isinstance(function, ast.FunctionDef):
                return parameters(function), function, symbol.units[-1].module, None
        if cls is not None and name.startswith("self.") and name.count(".") == 1:
            found = self.classes.method(cls, name.removeprefix("self."))
            if found is not None:
                skipped = 0 if _is_static(found[1]) else 1
                return parameters(found[1])[skipped:], found[1], found[0].unit.module, cls
        return None

    def _returned(
        self, call: ast.Call, module: Module, cls: Class | None, local: set[str]
    ) -> Iterator[tuple[ast.expr, str]]:
        """Arguments of a call that its result may share memory with."""
        name = dotted(call.func) or ""
        of_self = name.removeprefix("self.") if cls is not None and name.startswith("self.") else ""
        if cls is not None and of_self and self.in_place_attributes(cls).get(of_self) == ALWAYS:
            yield from ((argument, SAME) for argument in call.args[:1])
        elif cls is not None and of_self in self._passing_on(cls):
            yield from ((argument, MAYBE) for argument in call.args[:1])
        elif name and name.partition(".")[0] not in local - {"self"}:
            symbol = self.classes.index.resolve(module, name) if not name.startswith("self.") else None
            found = self._called(name, symbol, cls)
            if found is not None:
                returned = self._returns_of(*found[1:])
                yield from ((value, returned[own]) for own, value in arguments(call, found[0]) if own in returned)

    def _returns_of(self, function: FunctionNode, module: Module, cls: Class | None) -> dict[str, str]:
        """Parameters that the result of a function may share memory with, and how."""
        if function not in self._returns:
            self._returns[function] = {}
            given = _callers(function)
            aliases = self.aliases(function, module, cls, given)
            found: dict[str, str] = {}
            for statement in own_nodes(function):
                if isinstance(statement, ast.Return) and statement.value is not None:
                    for name, how in roots(statement.value, aliases.local).items():
                        others = aliases.at.get((statement, name), {})
                        for own, caller in given.items():
                            if caller in others:
                                found[own] = VIEW if VIEW in (how, others[caller], found.get(own)) else MAYBE
            self._returns[function] = found
        return self._returns[function]

    def _passing_on(self, cls: Class) -> frozenset[str]:
        """Attributes of `cls` that may hand on what they are called with: identities, dropout, empty sequences."""
        if cls not in self._passing:
            self._passing[cls] = frozenset()
            self._passing[cls] = self._attributes_of(cls, lambda value, _: self._hands_on(value, cls.unit.module))
        return self._passing[cls]

    def _given_modules(self, cls: Class) -> frozenset[str]:
        """Attributes of `cls` that are an argument of a method, or that an argument made."""
        if cls not in self._given:

            def is_given(value: ast.expr, method: FunctionNode) -> bool:
                made_by = value.func if isinstance(value, ast.Call) else value
                return isinstance(made_by, ast.Name) and made_by.id in parameters(method)

            self._given[cls] = self._attributes_of(cls, is_given)
        return self._given[cls]

    def _attributes_of(self, cls: Class, holds: Callable[[ast.expr, FunctionNode], bool]) -> frozenset[str]:
        """Attributes of `cls` to which a method assigns a value that `holds`, at least as an alternative."""
        own = [method for owner in self.classes.lineage(cls) for method in owner.methods.values()]
        return frozenset(
            name.removeprefix("self.")
            for method in own
            for node in own_nodes(method)
            if isinstance(node, ast.Assign) and any(holds(value, method) for value in _alternatives(node.value))
            for target in node.targets
            if (name := dotted(target) or "").startswith("self.")
        )

    def _hands_on(self, call: ast.expr, module: Module) -> bool:
        """Whether the module that a call makes may return what it gets."""
        if not isinstance(call, ast.Call):
            return False
        name = dotted(call.func)
        symbol = self.classes.index.resolve(module, name) if name else None
        if symbol is None:
            return False
        if symbol.kind == "unit" and symbol.units[-1] in self.classes.classes:
            cls = self.classes.classes[symbol.units[-1]]
            found = self.classes.method(cls, "forward")
            return found is not None and bool(self._returns_of(found[1], found[0].unit.module, cls))
        if symbol.name == "torch.nn.Sequential":
            return all(self._hands_on(part, module) for part in call.args)
        return symbol.name == "torch.nn.Identity" or symbol.name.startswith("torch.nn.Dropout")

    def in_place_attributes(self, cls: Class) -> dict[str, str]:
        """Attributes of `cls` that write into what they are called with; see `module_writes`."""
        if cls not in self._attributes:
            self._attributes[cls] = {}  # a class that holds itself
            self._attributes[cls] = self._find_attributes(cls)
        return self._attributes[cls]

    def _find_attributes(self, cls: Class) -> dict[str, str]:
        module = cls.unit.module
        own = [method for owner in self.classes.lineage(cls) for method in owner.methods.values()]
        index = self.classes.index

        def foreign(name: str | None) -> str:
            symbol = index.resolve(module, name) if name else None
            return symbol.name if symbol is not None and symbol.kind == "foreign" else ""

        def writes(name: str | None) -> bool:
            symbol = index.resolve(module, name) if name else None
            return symbol is not None and symbol.kind == "unit" and bool(self.of_class(symbol.units[-1]))

        return in_place_attributes(own, foreign, writes)

    def _of(self, function: FunctionNode, module: Module, cls: Class | None) -> frozenset[str]:
        if function not in self._known:
            self._known[function] = frozenset()  # one that calls itself
            self._known[function] = frozenset(self._find(function, module, cls))
        return self._known[function]

    def _find(self, function: FunctionNode, module: Module, cls: Class | None) -> Iterator[str]:
        given = _callers(function)
        aliases = self.aliases(function, module, cls, given)
        local = bound_names(function)
        for statement in own_nodes(function):
            if isinstance(statement, ast.stmt):
                for expression in self._written(statement, module, cls, local):
                    for name in roots(expression, local):
                        others = aliases.at.get((statement, name), {})
                        yield from (name for name, caller in given.items() if caller in others)

    def _written(self, statement: ast.stmt, module: Module, cls: Class | None, local: set[str]) -> Iterator[ast.expr]:
        """What a statement itself writes into."""
        targets = getattr(statement, "targets", [getattr(statement, "target", None)])
        for target in targets:
            if isinstance(target, ast.Subscript):
                yield target.value
            elif isinstance(statement, ast.AugAssign):
                yield statement.target
        for call in _calls(statement):
            yield from self._arguments_written(call, module, cls, local)

    def _arguments_written(
        self, call: ast.Call, module: Module, cls: Class | None, local: set[str]
    ) -> Iterator[ast.expr]:
        name = dotted(call.func) or ""
        if isinstance(call.func, ast.Attribute) and methods.is_in_place(call.func.attr):
            of_module = name != "" and name.partition(".")[0] not in local
            yield from call.args[:1] if of_module else [call.func.value]
        elif is_flagged(call) or (cls is not None and name.removeprefix("self.") in self.in_place_attributes(cls)):
            yield from call.args[:1]
        elif name and name.partition(".")[0] not in local - {"self"}:
            symbol = self.classes.index.resolve(module, name) if not name.startswith("self.") else None
            names, written = self.of_call(name, symbol, cls)
            yield from (value for parameter, value in arguments(call, names) if parameter in written)


def _callers(function: FunctionNode) -> dict[str, str]:
    """Parameter -> a name for what the caller passes."""
    return {name: f"<{name}>" for name in parameters(function)}


def _alternatives(value: ast.expr) -> list[ast.expr]:
    if isinstance(value, ast.IfExp):
        return [*_alternatives(value.body), *_alternatives(value.orelse)]
    if isinstance(value, ast.BoolOp):
        return [part for alternative in value.values for part in _alternatives(alternative)]
    return [value]


def arguments(call: ast.Call, names: Sequence[str]) -> Iterator[tuple[str, ast.expr]]:
    """(parameter, value) of the arguments of a call, as far as it is written without stars."""
    for name, value in zip(names, call.args, strict=False):
        if isinstance(value, ast.Starred):
            break
        yield name, value
    yield from ((keyword.arg, keyword.value) for keyword in call.keywords if keyword.arg is not None)


def _is_static(function: FunctionNode) -> bool:
    return any(dotted(decorator) == "staticmethod" for decorator in function.decorator_list)


def _calls(statement: ast.stmt) -> Iterator[ast.Call]:
    """Calls in a statement, without those of statements, functions and lambdas inside it."""
    waiting = [child for child in ast.iter_child_nodes(statement) if not isinstance(child, ast.stmt)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call):
            yield node
        if not isinstance(node, ast.stmt | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))
