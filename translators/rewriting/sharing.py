"""What else would see a write into a tensor, and the checks that stand before it in emitted code."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import libcst as cst

from translators.rewriting.aliases import MAYBE, SAME, Aliases, roots
from translators.rewriting.context import Scope
from translators.rewriting.state import State


class Sharing(State):
    """Questions about the names of the function that is being rewritten."""

    def _guards(self, name: str) -> list[cst.BaseSmallStatement]:
        """What checks, before a write into `name`, that no other live name would see it."""
        if self.at_construction():
            return []
        statement = self.statements[-1]
        seen = self._aliases().seen_by(statement, name)
        if not seen:  # what a module of unknown class returned may be its input, but hardly a view of it
            wider = self._aliases(widest=True).seen_by(statement, name)
            seen = {other: how for other, how in wider.items() if how == MAYBE and "." not in other}
        if not seen:
            return []
        others = sorted(seen)
        message = (
            f"{self._position()}: {name} is written while {', '.join(others)} may be the same tensor and is read later"
        )
        if all(how == MAYBE and "." not in other for other, how in seen.items()):
            return [cst.Expr(self._unless_same(cst.Name(name), others, message))]
        return [cst.Expr(self._support("refuse_alias", cst.Name(name), cst.SimpleString(repr(message))))]

    def _unless_same(self, written: cst.BaseExpression, others: Sequence[str], message: str) -> cst.BaseExpression:
        """`written`, checked to be no other tensor than what the names `others` hold."""
        held = cst.Tuple([cst.Element(cst.Name(name)) for name in others])
        return self._support("refuse_same", written, held, cst.SimpleString(repr(message)))

    def _rebinding(self, name: str, call: cst.Call, original: cst.Call) -> cst.BaseExpression:
        """`(x := ops.add_(x, y))`, unless x is not read again; other names of the same tensor are rebound too."""
        statement = self.statements[-1]
        aliases = self._aliases()
        seen = aliases.seen_by(statement, name)
        assigned = {t.id for t in getattr(statement, "targets", ()) if isinstance(t, ast.Name)}
        maybe = {other for other, how in aliases.at.get((statement, name), {}).items() if how == MAYBE}
        doubtful = sorted(
            o for o in maybe if "." not in o and (o in seen.keys() - assigned or self._reads(original, o))
        )
        if doubtful:
            message = f"{self._position()}: {name} is written while {', '.join(doubtful)} may be the same tensor"
            checked = self._unless_same(call.args[0].value, doubtful, message)
            call = call.with_changes(args=[cst.Arg(checked), *call.args[1:]])
        seen = {other: how for other, how in seen.items() if other not in maybe}
        if self._read_beside(original, name):
            return self.refuse("R05", name, name, f"{name} is written and read in one statement")
        if any(how != SAME for other, how in seen.items() if other not in assigned):
            return self.refuse("R05", name, name, f"{name} is written while {', '.join(sorted(seen))} is read later")
        expression: cst.BaseExpression = call
        for other in sorted({*seen, *([name] if aliases.read_later(statement, name) else [])} - assigned):
            if "." in other:
                return self.refuse("R05", name, name, f"{name} is written and is {other}")
            expression = cst.NamedExpr(cst.Name(other), expression, [cst.LeftParen()], [cst.RightParen()])
        return expression

    def _seen_after(self, call: cst.Call, argument: cst.BaseExpression) -> list[str]:
        """Names that are read during or after the statement and may share memory with an argument of `call`."""
        statement, aliases = self.statements[-1], self._aliases()
        names = [name for name in self._shared(argument) if self._is_local(name)]
        later = {other for name in names for other in aliases.seen_by(statement, name)}
        later |= {name for name in names if aliases.read_later(statement, name)}
        assigned = {t.id for t in getattr(statement, "targets", ()) if isinstance(t, ast.Name)}
        return sorted((later - assigned) | {name for name in names if self._read_beside(call, name)})

    def _shared(self, expression: cst.BaseExpression) -> dict[str, str]:
        """Names whose memory the value of an expression may share."""
        text = cst.Module([]).code_for_node(expression.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()]))
        return roots(ast.parse(text, mode="eval").body, self._aliases().local)

    def _read_beside(self, call: cst.Call, name: str) -> bool:
        """Whether the statement also reads `name`, or another name of the same tensor, outside of `call`."""
        statement = self.statements[-1]
        around = self._function_scope()
        inner = self.scopes[self.scopes.index(around) + 1 :] if around is not None else []
        if inner and not any(name in scope.names for scope in inner):
            return True  # a comprehension or lambda runs it more than once
        if isinstance(statement, ast.If | ast.For | ast.While | ast.With):
            return False
        others = self._aliases().at.get((statement, name), {})
        return self._reads(call, name, *(other for other, how in others.items() if how != MAYBE))

    def _reads(self, call: cst.Call, *names_of_it: str) -> bool:
        """Whether the statement reads one of the names outside of `call`."""
        text = cst.Module([]).code_for_node(call.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()]))
        dumped, statement = ast.dump(ast.parse(text, mode="eval").body), self.statements[-1]
        again = sum(isinstance(part, ast.Call) and ast.dump(part) == dumped for part in ast.walk(statement)) > 1
        return again or _reads_outside(statement, dumped, set(names_of_it)) > 0

    def _aliases(self, widest: bool = False) -> Aliases:
        """Which names share memory; `widest`: also by what modules of unknown classes may hand on."""
        scope = self._function_scope()
        if scope is None or scope.function is None:
            return Aliases()
        if widest not in scope.aliases:
            effects, cls = self.surroundings.effects, self.classes.classes.get(self.unit)
            find = effects.widest_aliases if widest else effects.aliases
            scope.aliases[widest] = find(scope.function, self.module, cls)
        return scope.aliases[widest]

    def _function_scope(self) -> Scope | None:
        return next((scope for scope in reversed(self.scopes) if scope.function is not None), None)

    def _is_local(self, name: str) -> bool:
        return self.in_function and self.meaning(name).local and name != self.receiver

    def _is_statement(self, call: cst.Call) -> bool:
        statement = self.statements[-1]
        return isinstance(statement, ast.Expr) and self._expression is call

    def _position(self) -> str:
        path, line = self.module.file.position(getattr(self.statements[-1], "lineno", 1))
        return f"{path}:{line}"

    def _support(self, name: str, *arguments: cst.BaseExpression) -> cst.Call:
        self.result.namespaces[name] = f"translators.runtime.support.{name}"
        return cst.Call(cst.Name(name), [cst.Arg(argument) for argument in arguments])


def _reads_outside(node: ast.AST, call: str, names_of_it: set[str]) -> int:
    """How often `node` reads one of the names, apart from a call (its dump) and from what runs instead of it."""
    if isinstance(node, ast.Name):
        return isinstance(node.ctx, ast.Load) and node.id in names_of_it
    if isinstance(node, ast.Call) and ast.dump(node) == call:
        return 0
    parts = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.IfExp):
        inside = [part for part in (node.body, node.orelse) if _holds(part, call)]
        parts = [node.test, *(inside or (node.body, node.orelse))]
    return sum(_reads_outside(part, call, names_of_it) for part in parts)


def _holds(node: ast.AST, call: str) -> bool:
    return any(isinstance(part, ast.Call) and ast.dump(part) == call for part in ast.walk(node))
