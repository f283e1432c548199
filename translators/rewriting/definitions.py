"""Functions, classes, comprehensions and imports: scopes open, what has no meaning here goes."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

import libcst as cst

from translators import environment, hubs
from translators.index import imported_names
from translators.rewriting import names
from translators.rewriting.context import Scope, dotted_name, function_scope
from translators.rewriting.scopes import FunctionNode, bound_names, own_nodes, parameters
from translators.rewriting.state import OF_FUNCTION, State
from translators.rewriting.unit import Facts
from translators.rewriting.wrappers import hands_on

_PLAIN_ANNOTATIONS = {"int", "float", "bool", "str", "tuple", "list", "dict", "None"}
_FIELD_CLASSES = {"dataclasses.dataclass", "typing.NamedTuple", "typing.TypedDict"}


class Definitions(State):
    """Rewrites definitions. `keeps` says of a method's name whether anything may call it."""

    keeps: Callable[[str], bool]

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        function = self.pairs[node]
        assert isinstance(function, FunctionNode)
        in_class = bool(self.scopes) and self.scopes[-1].is_class
        if in_class and len(self.scopes) == 1 and not self.keeps(function.name):
            return False
        # Decorators and defaults belong to the surroundings: they are visited before the scope opens.
        decorators, strange = self._decorators(node.decorators)
        is_method = in_class and len(self.scopes) == 1
        if strange and not is_method:
            self._fail_decorator(strange)
        params = node.params.visit(self)
        given = parameters(function)
        static = any(environment.dotted(decorator) == "staticmethod" for decorator in function.decorator_list)
        receiver = given[0] if in_class and given and not static else ""
        nested = self.in_function
        scope = function_scope(function, receiver, self._imports(function), nested)
        if nested:
            self.conditional += 1
        else:
            self.facts.append(self.result.facts.setdefault(function.name if in_class else "", Facts()))
        self.scopes.append(scope)
        stops = any(self.foreign(_decorator_name(d)) in names.GRADIENT_STOPS for d in node.decorators)
        without_gradient = stops and not self.at_construction()
        if without_gradient:
            self.stops.append(OF_FUNCTION)
        # A method behind a decorator of unknown effect matters only where it is called.
        body = self._refused_body(strange) if strange and is_method else node.body.visit(self)
        self.scopes.pop()
        if without_gradient:
            self.stops.pop()
        self.conditional -= scope.leaves_early + nested
        if not nested:
            self.facts.pop()
        self.built[node] = node.with_changes(decorators=decorators, params=params, body=body, returns=None)
        return False

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> Any:
        return self.built.pop(original_node, None) or cst.RemoveFromParent()

    def visit_ClassDef(self, node: cst.ClassDef) -> bool:
        statement = self.pairs[node]
        assert isinstance(statement, ast.ClassDef)
        decorators, strange = self._decorators(node.decorators)
        if strange:
            self._fail_decorator(strange)
        bases = [base.visit(self) for base in node.bases]
        is_record = any(self.foreign(dotted_name(base.value)) in _FIELD_CLASSES for base in node.bases)
        is_record = is_record or any(self.foreign(_decorator_name(d)) in _FIELD_CLASSES for d in node.decorators)
        self.scopes.append(Scope(bound_names(statement), is_class=True, is_record=is_record))
        body = _without_gap(node.body.visit(self))
        self.scopes.pop()
        lpar, rpar = (node.lpar, node.rpar) if bases else (cst.MaybeSentinel.DEFAULT, cst.MaybeSentinel.DEFAULT)
        self.built[node] = node.with_changes(
            decorators=decorators, bases=bases, keywords=[], body=body, lpar=lpar, rpar=rpar
        )
        return False

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> Any:
        return self.built.pop(original_node)

    def visit_Lambda(self, node: cst.Lambda) -> bool:
        params = node.params.visit(self)
        given = [*node.params.posonly_params, *node.params.params, *node.params.kwonly_params]
        stars = [p for p in (node.params.star_arg, node.params.star_kwarg) if isinstance(p, cst.Param)]
        self.scopes.append(Scope({parameter.name.value for parameter in [*given, *stars]}))
        self.conditional += 1
        body = node.body.visit(self)
        self.conditional -= 1
        self.scopes.pop()
        self.built[node] = node.with_changes(params=params, body=body)
        return False

    def leave_Lambda(self, original_node: cst.Lambda, updated_node: cst.Lambda) -> Any:
        return self.built.pop(original_node)

    def _comprehension(self, node: cst.BaseComp) -> bool:
        targets: set[str] = set()
        clause: cst.CompFor | None = node.for_in
        while clause is not None:
            targets |= set(_target_names(clause.target))
            clause = clause.inner_for_in
        self.scopes.append(Scope(targets))
        return True

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def _close(self, original_node: cst.BaseComp, updated_node: cst.BaseComp) -> Any:
        self.scopes.pop()
        return updated_node

    leave_ListComp = leave_SetComp = leave_DictComp = leave_GeneratorExp = _close

    def visit_Annotation(self, node: cst.Annotation) -> bool:
        return False

    def leave_Param(self, original_node: cst.Param, updated_node: cst.Param) -> cst.Param:
        annotation = original_node.annotation
        if annotation is None or self._is_plain(annotation):
            return updated_node
        changed = updated_node.with_changes(annotation=None)
        if changed.default is None:
            return changed
        return changed.with_changes(equal=cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace("")))

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        self.stores.add(node.target)

    def leave_AnnAssign(self, original_node: cst.AnnAssign, updated_node: cst.AnnAssign) -> Any:
        if self.scopes and self.scopes[-1].is_record:
            if self._is_plain(original_node.annotation):
                return updated_node
            return updated_node.with_changes(annotation=cst.Annotation(cst.Name("object")))
        if updated_node.value is None:
            return cst.RemoveFromParent()
        return cst.Assign([cst.AssignTarget(updated_node.target)], updated_node.value)

    def _is_plain(self, annotation: cst.Annotation) -> bool:
        return isinstance(annotation.annotation, cst.Name) and annotation.annotation.value in _PLAIN_ANNOTATIONS

    def _decorators(self, decorators: Sequence[cst.Decorator]) -> tuple[list[cst.Decorator], str]:
        """Those that mean something here, and the name of one of unknown effect, if there is one."""
        kept, strange = [], ""
        for decorator in decorators:
            name = _decorator_name(decorator)
            foreign = self.foreign(name)
            last = (name or "").rpartition(".")[2]
            if foreign in names.KEPT_DECORATORS or last in ("setter", "getter"):
                visited = decorator.visit(self)
                assert isinstance(visited, cst.Decorator)
                kept.append(visited)
            elif not (
                foreign in names.DROPPED_DECORATORS or foreign.startswith("torch.jit.") or self._only_registers(name)
            ):
                strange = strange or name or "decorator"
        return kept, strange

    def _fail_decorator(self, name: str) -> None:
        self.fail("R15", name, self.foreign(name) or name, f"decorator {name}")

    def _refused_body(self, name: str) -> cst.IndentedBlock:
        call = self.refuse("R15", name, self.foreign(name) or name, f"decorator {name}")
        return cst.IndentedBlock([cst.SimpleStatementLine([cst.Expr(call)])])

    def _only_registers(self, name: str | None) -> bool:
        """Whether a decorator may be left out: it hands its argument on, as those that register do."""
        if name is None:
            return False
        if "register" in name.lower():
            return True
        symbol = self.meaning(name).symbol
        if symbol is not None and symbol.name in hubs.TRANSPARENT_DECORATORS:
            return True
        node = symbol.units[-1].node if symbol is not None and symbol.kind == "unit" and not symbol.rest else None
        if isinstance(node, ast.Assign) and symbol is not None and symbol.module is not None:  # an alias
            look = self.surroundings.index.lookup(symbol.module)
            return environment.evaluate(node.value, look) in names.DROPPED_DECORATORS
        return isinstance(node, ast.FunctionDef) and hands_on(node)

    def _imports(self, function: ast.AST) -> dict[str, str]:
        """What imports inside a function bind."""
        index = self.surroundings.index
        found = [node for node in own_nodes(function) if isinstance(node, ast.Import | ast.ImportFrom)]
        return {
            name: target for node in found for name, target in imported_names(index, self.module, node) if name != "*"
        }

    def visit_Import(self, node: cst.Import) -> bool:
        return False

    def leave_Import(self, original_node: cst.Import, updated_node: cst.Import) -> Any:
        return cst.RemoveFromParent()

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        return False

    def leave_ImportFrom(self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom) -> Any:
        return cst.RemoveFromParent()

    def visit_Global(self, node: cst.Global) -> bool:
        return False

    def leave_Global(self, original_node: cst.Global, updated_node: cst.Global) -> Any:
        function = next((scope.function for scope in reversed(self.scopes) if scope.function is not None), None)
        nodes = [part for part in ast.walk(function) if isinstance(part, ast.Name)] if function is not None else []
        stored = {node.id for node in nodes if isinstance(node.ctx, ast.Store)}
        if {item.name.value for item in original_node.names} & stored <= self.tallied():
            return cst.RemoveFromParent()  # a function that only reads need not say so
        return cst.Expr(self.refuse("R06", "global", "global", "a function changes a module variable"))


def _decorator_name(decorator: cst.Decorator) -> str | None:
    expression = decorator.decorator
    return dotted_name(expression.func if isinstance(expression, cst.Call) else expression)


def _without_gap(body: Any) -> Any:
    """A class body without the empty lines that follow a dropped first statement."""
    first: Any = body.body[0] if isinstance(body, cst.IndentedBlock) and body.body else None
    if first is None or not first.leading_lines:
        return body
    lines = list(first.leading_lines)
    while lines and lines[0].comment is None:
        lines.pop(0)
    return body.with_changes(body=[first.with_changes(leading_lines=lines), *body.body[1:]])


def _target_names(target: cst.BaseExpression) -> list[str]:
    if isinstance(target, cst.Name):
        return [target.value]
    if isinstance(target, cst.Tuple | cst.List):
        return [name for element in target.elements for name in _target_names(element.value)]
    return []
