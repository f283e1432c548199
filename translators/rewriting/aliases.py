"""Which names of a function see a write into one of them: forward over its statements in textual order."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from translators.environment import dotted
from translators.rewriting import methods, names
from translators.rewriting.scopes import FunctionNode, bound_names, container_names

# MAYBE: the same tensor on some ways through the program only, which shows when it runs.
MAYBE, SAME, VIEW = "maybe", "same", "view"
_ADDS = names.words("append extend insert add update setdefault appendleft")
# Name -> the names that share its memory, with how.
_Groups = dict[str, dict[str, str]]
Returned = Callable[[ast.Call], Iterable[tuple[ast.expr, str]]]
_SAME_METHODS = names.words("contiguous to type type_as float half double cuda cpu requires_grad_ data")


@dataclass
class _Event:
    time: int
    depth: tuple[int, ...]  # the branches that enclose it
    kind: str  # 'read' or 'bind'
    name: str


@dataclass
class Aliases:
    """`at[statement, name]` maps other names that share memory with `name` before `statement` to 'same' or 'view'."""

    at: dict[tuple[ast.stmt, str], dict[str, str]] = field(default_factory=dict)
    events: list[_Event] = field(default_factory=list)
    times: dict[ast.stmt, _Event] = field(default_factory=dict)
    loops: list[tuple[int, int]] = field(default_factory=list)
    local: set[str] = field(default_factory=set)

    def seen_by(self, statement: ast.stmt, name: str) -> dict[str, str]:
        """Names that are read after `statement` and share memory with `name`, with how."""
        others = self.at.get((statement, name), {})
        return {other: how for other, how in others.items() if self._read_later(statement, other)}

    def read_later(self, statement: ast.stmt, name: str) -> bool:
        return self._read_later(statement, name)

    def _read_later(self, statement: ast.stmt, name: str) -> bool:
        if "." in name:  # an attribute of self outlives the function
            return True
        if isinstance(statement, ast.Return | ast.Raise):
            return False
        here = self.times.get(statement)
        if here is None:
            return True
        if self._live_after(name, here.time, here.depth, 10**9):
            return True
        for first, last in self.loops:
            if first <= here.time <= last and self._live_after(name, first - 1, here.depth, here.time):
                return True
        return False

    def _live_after(self, name: str, start: int, depth: tuple[int, ...], stop: int) -> bool:
        """Whether the value of `name` after time `start` may be read up to `stop` before it is bound again."""
        for event in self.events:
            if event.name == name and start < event.time <= stop:
                if event.kind == "read":
                    return True
                if event.depth == depth[: len(event.depth)]:  # bound on every way that leads on from here
                    return False
        return False


def analyse(function: FunctionNode, given: _Groups | None = None, returned: Returned | None = None) -> Aliases:
    """The aliases of a function's local names and attributes; `given` are those of its parameters when it starts.

    `returned` says of a call which arguments its result may share memory with, and how.
    """
    walker = _Walker()
    walker.block(function.body, ())
    _Flow(function, walker.aliases, returned or (lambda call: [])).block(function.body, given or {})
    return walker.aliases


class _Walker:
    def __init__(self) -> None:
        self.aliases = Aliases()
        self.clock = 0
        self.branches = 0

    def block(self, statements: list[ast.stmt], depth: tuple[int, ...]) -> None:
        for statement in statements:
            self.statement(statement, depth)

    def statement(self, statement: ast.stmt, depth: tuple[int, ...]) -> None:
        self.clock += 1
        started = self.clock
        self.aliases.times[statement] = _Event(self.clock, depth, "", "")
        match statement:
            case ast.If(test=test, body=body, orelse=orelse):
                self.reads(test, depth)
                self.branch(body, depth)
                self.branch(orelse, depth)
            case ast.For(target=target, iter=iterable, body=body, orelse=orelse):
                self.reads(iterable, depth)
                self.clock += 1
                self.binds([target], (*depth, self.fresh()))
                first = self.clock
                self.branch(body, depth)
                self.aliases.loops.append((first, self.clock))
                self.branch(orelse, depth)
            case ast.While(test=test, body=body, orelse=orelse):
                self.reads(test, depth)
                self.branch(body, depth)
                self.aliases.loops.append((started, self.clock))
                self.branch(orelse, depth)
            case ast.With(items=items, body=body):
                for item in items:
                    self.reads(item.context_expr, depth)
                self.block(body, depth)
            case ast.Try():
                for part in (
                    statement.body,
                    *(h.body for h in statement.handlers),
                    statement.orelse,
                    statement.finalbody,
                ):
                    self.branch(part, depth)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                for node in ast.walk(statement):  # a closure may read at any later time
                    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                        self.aliases.events.append(_Event(10**8, depth, "read", node.id))
            case ast.Assign(targets=targets, value=value):
                self.reads(value, depth)
                for target in targets:
                    if not isinstance(target, ast.Name):
                        self.reads(target, depth)
                self.binds(targets, depth)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self.reads(value, depth)
                self.binds([target], depth)
            case _:
                self.reads(statement, depth)

    def fresh(self) -> int:
        self.branches += 1
        return self.branches

    def branch(self, statements: list[ast.stmt], depth: tuple[int, ...]) -> None:
        self.block(statements, (*depth, self.fresh()))

    def reads(self, node: ast.AST, depth: tuple[int, ...]) -> None:
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
                self.aliases.events.append(_Event(self.clock, depth, "read", part.id))

    def binds(self, targets: list[ast.expr], depth: tuple[int, ...]) -> None:
        for target in targets:
            for part in ast.walk(target):
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                    self.aliases.events.append(_Event(self.clock, depth, "bind", part.id))


class _Flow:
    """Which names share memory before each statement, along every way through the function."""

    def __init__(self, function: FunctionNode, aliases: Aliases, returned: Returned):
        self.local = aliases.local = bound_names(function)
        self.containers = container_names(function)
        self.aliases = aliases
        self.returned = returned

    def block(self, statements: list[ast.stmt], groups: _Groups) -> _Groups:
        for statement in statements:
            for name, others in groups.items():
                if others:
                    self.aliases.at.setdefault((statement, name), {}).update(others)
            groups = self.statement(statement, groups)
        return groups

    def statement(self, statement: ast.stmt, groups: _Groups) -> _Groups:
        match statement:
            case ast.If(body=body, orelse=orelse):
                return _merged(self.block(body, _copied(groups)), self.block(orelse, groups))
            case ast.For(target=target, iter=iterable, body=body, orelse=orelse):
                self.bind([(target, ast.Subscript(iterable, ast.Constant(0), ast.Load()))], groups)
                return self.block(orelse, self.loop(body, groups))
            case ast.While(body=body, orelse=orelse):
                return self.block(orelse, self.loop(body, groups))
            case ast.With(body=body):
                return self.block(body, groups)
            case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=finalbody):
                after = self.block(orelse, self.block(body, _copied(groups)))
                for handler in handlers:
                    after = _merged(after, self.block(handler.body, _copied(groups)))
                return self.block(finalbody, after)
            case ast.Assign(targets=targets, value=value):
                self.bind([(target, value) for target in targets], groups)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self.bind([(target, value)], groups)
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method), args=arguments)):
                if method in _ADDS:
                    self.hold(name, arguments, groups)
            case ast.AugAssign(target=ast.Name(id=name), value=ast.List() | ast.Tuple() as value):
                self.hold(name, [value], groups)
        return groups

    def hold(self, container: str, values: list[ast.expr], groups: _Groups) -> None:
        """What a container gets, a write into it shows there."""
        for value in values:
            found = self.roots(value)
            _bind(groups, container, groups.get(container, {}) | dict.fromkeys(found, VIEW))

    def roots(self, value: ast.expr) -> dict[str, str]:
        found = roots(value, self.local)
        if isinstance(value, ast.Call):
            for argument, how in self.returned(value):
                found |= {name: _joined(how, other) for name, other in self.roots(argument).items()}
        return found

    def loop(self, body: list[ast.stmt], groups: _Groups) -> _Groups:
        once = self.block(body, _copied(groups))
        return _merged(groups, self.block(body, _merged(_copied(groups), once)))

    def bind(self, pairs: list[tuple[ast.expr, ast.expr]], groups: _Groups) -> None:
        for target, value in [pair for pair in pairs for pair in _flatten(*pair)]:
            if isinstance(target, ast.Name):
                _bind(groups, target.id, self.roots(value))
            elif isinstance(target, ast.Subscript) and dotted(target.value) in self.containers:
                self.hold(dotted(target.value) or "", [value], groups)


def _copied(groups: _Groups) -> _Groups:
    return {name: dict(others) for name, others in groups.items()}


def _merged(groups: _Groups, more: _Groups) -> _Groups:
    """What holds after either of two ways: on both the same, or maybe."""
    for name in {*groups, *more}:
        one, two = groups.get(name, {}), more.get(name, {})
        groups[name] = {other: _merged_kind(one.get(other), two.get(other)) for other in {*one, *two}}
    return groups


def _merged_kind(one: str | None, two: str | None) -> str:
    return VIEW if VIEW in (one, two) else SAME if one == two == SAME else MAYBE


def _joined(how: str, further: str) -> str:
    return VIEW if VIEW in (how, further) else MAYBE if MAYBE in (how, further) else SAME


def _flatten(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    if not isinstance(target, ast.Tuple | ast.List):
        return [(target.value if isinstance(target, ast.Starred) else target, value)]
    if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
        values = value.elts
    else:
        values = [ast.Subscript(value=value, slice=ast.Constant(0), ctx=ast.Load())] * len(target.elts)
    return [pair for part, whole in zip(target.elts, values, strict=True) for pair in _flatten(part, whole)]


def _bind(groups: _Groups, name: str, roots: dict[str, str]) -> None:
    found: dict[str, str] = {}
    for root, how in roots.items():
        if root != name:
            found[root] = how
        for other, further in groups.get(root, {}).items():
            if other != name:
                found.setdefault(other, _joined(how, further))
    for others in groups.values():
        others.pop(name, None)
    groups[name] = found
    for other, how in found.items():
        groups.setdefault(other, {})[name] = how


def roots(value: ast.expr, local: set[str]) -> dict[str, str]:
    """Names that an expression's value may share memory with."""
    match value:
        case ast.Name(id=name):
            return {name: SAME}
        case ast.Attribute(value=inner, attr=attribute):
            chain = dotted(value)
            if chain is not None and chain.count(".") == 1 and chain.startswith("self."):
                return {chain: SAME}
            return _views(inner, local, attribute == "data") if attribute in ("T", "mT", "data", "real", "imag") else {}
        case ast.Subscript(value=inner):
            return _views(inner, local)
        case ast.Call(func=ast.Attribute(value=receiver, attr=method), args=arguments):
            in_place = method.endswith("_") and not method.endswith("__")
            if method in ("zip", "enumerate"):
                return {}
            if in_place or method in methods.VIEWS:
                module = dotted(receiver)
                if module is not None and module.split(".")[0] not in local:  # torch.flatten(x), F.relu_(x)
                    return _views(arguments[0], local, in_place) if arguments else {}
                return _views(receiver, local, in_place or method in _SAME_METHODS)
            return _written(value, local)
        case ast.Call(func=ast.Name(id="zip" | "enumerate" | "reversed" | "list" | "tuple"), args=arguments):
            return {name: VIEW for argument in arguments for name in roots(argument, local)}
        case ast.Call():
            return _written(value, local)
        case ast.IfExp(body=body, orelse=orelse):
            return _either([roots(body, local), roots(orelse, local)])
        case ast.BoolOp(values=values):
            return _either([roots(part, local) for part in values])
        case ast.BinOp(left=left, op=ast.Add(), right=right) if isinstance(left, ast.List) or isinstance(
            right, ast.List
        ):
            return {name: VIEW for part in (left, right) for name in roots(part, local)}
        case ast.NamedExpr(value=inner):
            return roots(inner, local)
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            return {name: VIEW for element in elements for name in roots(element, local)}
    return {}


def _either(ways: list[dict[str, str]]) -> dict[str, str]:
    return {name: _joined(how, MAYBE) for found in ways for name, how in found.items()}


def _views(value: ast.expr, local: set[str], same: bool = False) -> dict[str, str]:
    found = roots(value, local)
    return found if same else dict.fromkeys(found, VIEW)


def _written(call: ast.Call, local: set[str]) -> dict[str, str]:
    """`F.relu(x, inplace=True)` is x."""
    in_place = any(k.arg == "inplace" and isinstance(k.value, ast.Constant) and k.value.value for k in call.keywords)
    return roots(call.args[0], local) if in_place and call.args else {}
