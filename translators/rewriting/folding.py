"""Branches, contexts and conditional expressions whose answer depends on the surroundings only."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

import libcst as cst

from translators import environment
from translators.environment import UNKNOWN, Foreign
from translators.rewriting import methods, names
from translators.rewriting.context import dotted_name
from translators.rewriting.state import OF_FUNCTION, State

Statements = Sequence[cst.BaseStatement | cst.BaseSmallStatement]


class Folding(State):
    """Rewrites `cst.If`, `cst.IfExp` and `cst.With`; marks what may be skipped at run time."""

    def visit_If(self, node: cst.If) -> bool:
        return self._answer(self.pairs[node].test) is UNKNOWN  # type: ignore[attr-defined]

    def leave_If(self, original_node: cst.If, updated_node: cst.If) -> Any:
        statement = self.pairs[original_node]
        assert isinstance(statement, ast.If)
        answer = self._answer(statement.test)
        if answer is UNKNOWN:
            if any(isinstance(node, ast.Return | ast.Break | ast.Continue) for node in ast.walk(statement)):
                self.leave_early()
            return updated_node
        chosen: list[Any] = []
        if answer:
            chosen = self.visited(original_node.body)
        elif isinstance(original_node.orelse, cst.If):
            result = original_node.orelse.visit(self)
            if isinstance(result, cst.Else):
                chosen = list(result.body.body)
            elif isinstance(result, cst.FlattenSentinel):
                chosen = list(result)
            else:
                chosen = [result] if isinstance(result, cst.If) else []
        elif original_node.orelse is not None:
            chosen = self.visited(original_node.orelse.body)
        if self._is_elif(original_node):
            # An elif cannot be replaced by statements: it becomes an else around them.
            return cst.Else(cst.IndentedBlock(chosen)) if chosen else cst.RemoveFromParent()
        return cst.FlattenSentinel(chosen) if chosen else cst.RemoveFromParent()

    def visited(self, block: cst.BaseSuite) -> list[Any]:
        """The statements of a block, each visited."""
        result = block.visit(self)
        if isinstance(result, cst.SimpleStatementSuite):
            return [cst.SimpleStatementLine(result.body)] if result.body else []
        assert isinstance(result, cst.IndentedBlock)
        return list(result.body)

    def leave_early(self) -> None:
        """What follows in this function may never run."""
        for scope in reversed(self.scopes):
            if scope.function is not None:
                scope.leaves_early += 1
                self.conditional += 1
                return

    def _is_elif(self, node: cst.If) -> bool:
        statement = self.pairs[node]
        enclosing = self.statements[-2] if len(self.statements) > 1 else None
        return (
            isinstance(enclosing, ast.If)
            and enclosing.orelse == [statement]
            and self._line(statement).startswith("elif")
        )

    def _line(self, statement: ast.stmt) -> str:
        return self.module.lines[statement.lineno - 1][statement.col_offset :]

    def _answer(self, test: ast.expr) -> Any:
        """True or False when the test depends on the surroundings only, else UNKNOWN."""
        value = environment.evaluate(test, self._look_up)
        return UNKNOWN if value is UNKNOWN or isinstance(value, Foreign) else bool(value)

    def _look_up(self, name: str) -> Any:
        resolved = self.meaning(name)
        if resolved.symbol is None:
            return UNKNOWN
        if resolved.symbol.kind in ("foreign", "builtin"):
            return Foreign(resolved.symbol.name)
        return self.surroundings.index.lookup(self.module)(name)

    def visit_IfExp(self, node: cst.IfExp) -> bool:
        text = cst.Module([]).code_for_node(node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()]))
        answer = self._answer(ast.parse(text, mode="eval").body)
        if answer is UNKNOWN:
            return True
        chosen = (node.body if answer else node.orelse).visit(self)
        assert isinstance(chosen, cst.BaseExpression)
        self.replaced[node] = chosen
        return False

    def leave_IfExp(self, original_node: cst.IfExp, updated_node: cst.IfExp) -> cst.BaseExpression:
        return self.replaced.pop(original_node, updated_node)

    def visit_Comparison(self, node: cst.Comparison) -> bool:
        """`version.parse(torch.__version__) < version.parse("2")`, wherever it stands."""
        function = dotted_name(node.left.func) if isinstance(node.left, cst.Call) else None
        if (function or "").rpartition(".")[2] not in environment.VERSION_PARSERS:
            return True
        text = cst.Module([]).code_for_node(node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()]))
        answer = self._answer(ast.parse(text, mode="eval").body)
        if answer is not UNKNOWN:
            self.replaced[node] = cst.Name(repr(answer))
        return answer is UNKNOWN

    def leave_Comparison(self, original_node: cst.Comparison, updated_node: cst.Comparison) -> cst.BaseExpression:
        return self.replaced.pop(original_node, updated_node)

    def visit_With(self, node: cst.With) -> bool:
        kinds = {self._context(item) for item in node.items}
        if not kinds <= {"neutral", "stops gradient"}:
            return True
        stops = "stops gradient" in kinds and self.in_function and not self.at_construction()
        if stops:
            self.stops.append(len(self.statements))
        body = self.visited(node.body)
        if stops:
            self.stops.pop()
            statement = self.pairs[node]
            assert isinstance(statement, ast.With)
            leaves = isinstance(statement.body[-1], ast.Return | ast.Raise)
            names_bound = [] if leaves else sorted({name for part in statement.body for name in _bound(part)})
            body += [cst.SimpleStatementLine([self._detached(name)]) for name in names_bound]
        self.flattened[node] = body
        return False

    def leave_With(self, original_node: cst.With, updated_node: cst.With) -> Any:
        if original_node not in self.flattened:
            return updated_node
        body = self.flattened.pop(original_node)
        return cst.FlattenSentinel(body) if body else cst.RemoveFromParent()

    def _context(self, item: cst.WithItem) -> str:
        function = item.item.func if isinstance(item.item, cst.Call) else item.item
        name = self.foreign(dotted_name(function))
        if name == "torch.set_grad_enabled" and isinstance(item.item, cst.Call) and item.item.args:
            given = dotted_name(item.item.args[0].value)
            return {"True": "neutral", "False": "stops gradient"}.get(given or "", "other")
        if name in names.GRADIENT_STOPS:
            return "stops gradient"
        return "neutral" if name in names.NEUTRAL_CONTEXTS else "other"

    def after_statement(self, result: Any) -> Any:
        """Stops the gradient of what a statement binds where the end of its context may not be reached."""
        if not self.stops or isinstance(result, cst.RemovalSentinel) or len(self.statements) == self.stops[-1] + 1:
            return result
        bound = [name for name in _bound(self.statements[-1]) if "." in name or self.stops[-1] != OF_FUNCTION]
        if not bound:
            return result
        parts = list(result) if isinstance(result, cst.FlattenSentinel) else [result]
        return cst.FlattenSentinel([*parts, *(self._detached(name) for name in sorted(set(bound)))])

    def _detached(self, name: str) -> cst.Assign:
        target = cst.parse_expression(name)
        assert isinstance(target, cst.Name | cst.Attribute)
        return cst.Assign([cst.AssignTarget(target)], cst.Call(self.operation("detach"), [cst.Arg(target)]))

    def leave_Return(self, original_node: cst.Return, updated_node: cst.Return) -> cst.Return:
        if not self.stops or updated_node.value is None:
            return updated_node
        value = updated_node.value
        if isinstance(value, cst.Tuple) and not value.lpar:
            value = value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        return updated_node.with_changes(value=cst.Call(self.operation("detach"), [cst.Arg(value)]))

    # Parts that may not run.
    def visit_If_body(self, node: cst.If) -> None:
        self.conditional += 1

    def leave_If_body(self, node: cst.If) -> None:
        self.conditional -= 1

    def visit_If_orelse(self, node: cst.If) -> None:
        self.conditional += 1

    def leave_If_orelse(self, node: cst.If) -> None:
        self.conditional -= 1

    def visit_IfExp_body(self, node: cst.IfExp) -> None:
        self.conditional += 1

    def leave_IfExp_body(self, node: cst.IfExp) -> None:
        self.conditional -= 1

    def visit_IfExp_orelse(self, node: cst.IfExp) -> None:
        self.conditional += 1

    def leave_IfExp_orelse(self, node: cst.IfExp) -> None:
        self.conditional -= 1

    def visit_BooleanOperation_right(self, node: cst.BooleanOperation) -> None:
        self.conditional += 1

    def leave_BooleanOperation_right(self, node: cst.BooleanOperation) -> None:
        self.conditional -= 1

    def visit_For_body(self, node: cst.For) -> None:
        self.conditional += 1

    def leave_For_body(self, node: cst.For) -> None:
        self.conditional -= 1

    def visit_While_body(self, node: cst.While) -> None:
        self.conditional += 1

    def leave_While_body(self, node: cst.While) -> None:
        self.conditional -= 1

    def visit_Try(self, node: cst.Try) -> bool:
        statement = self.pairs[node]
        assert isinstance(statement, ast.Try)
        if node.handlers and not self.surroundings.index.succeeds(self.module, statement.body):
            parts = [node.handlers[0].body, *([node.finalbody.body] if node.finalbody else [])]
            self.flattened[node] = [part for block in parts for part in self.visited(block)]
            return False
        self.conditional += 1
        return True

    def leave_Try(self, original_node: cst.Try, updated_node: cst.Try) -> Any:
        if original_node in self.flattened:
            body = self.flattened.pop(original_node)
            return cst.FlattenSentinel(body) if body else cst.RemoveFromParent()
        self.conditional -= 1
        return updated_node


def _bound(statement: ast.stmt) -> list[str]:
    """Local names and attributes of `self` that a simple statement binds to what may be a tensor, or writes into."""
    found: list[ast.expr] = []
    match statement:
        case ast.Assign(value=value) if not any(isinstance(node, ast.Name) for node in ast.walk(value)):
            pass
        case ast.Assign(targets=targets):
            found = [part for target in targets for part in _elements(target)]
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            found = [target]
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=method)) as call) if methods.is_in_place(method):
            found = [_written(call)]
    names_bound = (environment.dotted(part) for part in found)
    return [name for name in names_bound if name and (name.count(".") == 0 or name.startswith("self."))]


def _elements(target: ast.expr) -> list[ast.expr]:
    if isinstance(target, ast.Tuple | ast.List):
        return [part for element in target.elts for part in _elements(element)]
    return [_written(target)]


def _written(node: ast.expr) -> ast.expr:
    """What a target, or a chain of in-place methods, writes into: `self.mean` of `self.mean.data[0]`."""
    while isinstance(node, ast.Subscript | ast.Starred | ast.Call) or getattr(node, "attr", "") == "data":
        inner = node.func if isinstance(node, ast.Call) else node
        if not isinstance(inner, ast.Attribute | ast.Subscript | ast.Starred):
            break
        node = inner.value
    return node
