"""Writes into tensors: methods that end in an underscore, `inplace=True`, item and augmented assignment."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

import libcst as cst

from translators import environment
from translators.environment import UNKNOWN
from translators.rewriting import methods, names
from translators.rewriting.aliases import SAME
from translators.rewriting.context import dotted_name
from translators.rewriting.module_writes import ALWAYS, ARGUMENT, PERHAPS
from translators.rewriting.refusals import call_text, refusal
from translators.rewriting.scopes import own_nodes, parameters
from translators.rewriting.sharing import Sharing

_MACHINERY = names.words("queue threading multiprocessing concurrent socket logging time datetime pathlib tempfile io")


class InPlace(Sharing):
    """Rewrites `cst.Expr`, `cst.Assign`, `cst.AugAssign` and `cst.Subscript`; the calls among them through `Calls`."""

    def prepare_in_place(self, node: cst.Call) -> None:
        """Keep `x.data.add_(...)` a write into x."""
        assert isinstance(node.func, cst.Attribute)
        if methods.is_in_place(node.func.attr.value):
            receiver: cst.BaseExpression = node.func.value
            if isinstance(receiver, cst.Call):
                self.chained.add(receiver)
            while isinstance(receiver, cst.Subscript):
                receiver = receiver.value
            self.stores.add(receiver)

    def finish_in_place_method(self, original: cst.Call, call: cst.Call) -> cst.BaseExpression:
        """`call` is `ops.add_(x, ...)`: as an expression it also rebinds x; as a statement `leave_Expr` does."""
        assert isinstance(original.func, cst.Attribute)
        receiver = _without_data(_innermost(original))
        first = self._seen_by_gradient(_innermost(original), _without_data(call.args[0].value))
        call = call.with_changes(args=[cst.Arg(first), *call.args[1:]])
        if original in self.chained:
            return call
        if isinstance(receiver, cst.Name) and self._is_local(receiver.value) and not self._is_statement(original):
            return self._rebinding(receiver.value, call, original)
        if self._is_view(receiver) and self._shared(receiver) and not self.at_construction():
            method = original.func.attr.value
            return self.refuse("R05", f".{method}", f"torch.Tensor.{method}", "write into a view of another tensor")
        return call

    def finish_in_place_function(self, original: cst.Call, call: cst.Call) -> cst.BaseExpression:
        """`F.relu(x, inplace=True)`, `torch.relu_(x)` and `init.zeros_(x)` where x is read afterwards."""
        name = self.foreign(dotted_name(original.func))
        if not name.startswith("torch.") or not original.args:
            return call
        if not _writes(name, original):
            return self._check_flag(original, call)
        target = original.args[0].value
        if not isinstance(target, cst.Name) or not self._is_local(target.value) or self._is_statement(original):
            return call
        return self._rebinding(target.value, call, original)

    def _check_flag(self, original: cst.Call, call: cst.Call) -> cst.Call:
        """`F.relu(x, inplace=self.inplace)` where a write into x would be seen: the flag must be false then."""
        name = self.foreign(dotted_name(original.func))
        makes_layer = name.startswith("torch.nn.") and not name.startswith("torch.nn.functional.")
        position = _flag_position(name, original) if name.startswith("torch.") and not makes_layer else None
        if not position or self._is_constant(original.args[position].value) or self.at_construction():
            return call
        seen = self._seen_after(original, original.args[0].value)
        if not seen and not self._is_statement(original):
            return call
        what = ", ".join(seen) or "its argument"
        message = f"{self._position()}: {dotted_name(original.func)} may write into {what}, which is read later"
        flag = self._support("unless_written", call.args[position].value, cst.SimpleString(repr(message)))
        arguments = [*call.args]
        arguments[position] = arguments[position].with_changes(value=flag)
        return call.with_changes(args=arguments)

    def _is_constant(self, node: cst.BaseExpression) -> bool:
        return isinstance(node, cst.Name) and node.value in ("True", "False")

    def finish_in_place_module(self, original: cst.Call, call: cst.Call) -> cst.BaseExpression:
        """`self.act(x)` of an activation that works in place, where x is read afterwards."""
        name = dotted_name(original.func) or ""
        how = self.in_place_attributes.get(name.removeprefix(self.receiver + ".")) if self.receiver else None
        if how is None and self._is_unknown(original.func):
            how = PERHAPS
        if how is None or how == ARGUMENT or len(original.args) != 1:
            return self._finish_call_of_writer(name, how, original, call)
        if not isinstance(original.args[0].value, cst.Name):
            return call
        target = original.args[0].value.value
        if not self._is_local(target):
            return call
        if how == ALWAYS:
            return call if self._is_statement(original) else self._rebinding(target, call, original)
        statement, aliases = self.statements[-1], self._aliases()
        assigned = {t.id for t in getattr(statement, "targets", ()) if isinstance(t, ast.Name)}
        seen = {*aliases.seen_by(statement, target), *([target] if aliases.read_later(statement, target) else [])}
        beside = self._read_beside(original, target)
        if not seen - assigned and not beside and not self._is_statement(original):
            return call
        spelled = name or cst.Module([]).code_for_node(original.func)
        message = f"{self._position()}: {spelled} may write into {target}, which is read later"
        known = [how for other, how in aliases.seen_by(statement, target).items() if other not in assigned]
        if name and not beside and not self._is_statement(original) and all(how == SAME for how in known):
            written: cst.BaseExpression = self._support(
                "activated", call.func, call.args[0].value, cst.SimpleString(repr(message))
            )
            for other in sorted(seen - assigned):
                written = cst.NamedExpr(cst.Name(other), written, [cst.LeftParen()], [cst.RightParen()])
            return call.with_changes(args=[call.args[0].with_changes(value=written)])
        checked = self._support("unless_in_place", call.func, cst.SimpleString(repr(message)))
        return call.with_changes(func=checked)

    def _is_unknown(self, function: cst.BaseExpression) -> bool:
        """Whether what is called may be any module: a local name, or an item of something."""
        if self.at_construction() or self._makes_layers():
            return False
        return isinstance(function, cst.Subscript) or (
            isinstance(function, cst.Name) and self._is_local(function.value)
        )

    def _makes_layers(self) -> bool:
        """Whether the function is a helper of the constructor: it binds layers to names."""
        scope = self._function_scope()
        if scope is None or scope.function is None or scope.function.name == "forward":
            return False
        values = (node.value for node in own_nodes(scope.function) if isinstance(node, ast.Assign))
        made = (self.foreign(environment.dotted(value.func)) for value in values if isinstance(value, ast.Call))
        return any(name.startswith("torch.nn.") and name.rpartition(".")[2][:1].isupper() for name in made)

    def _finish_call_of_writer(self, name: str, how: str | None, original: cst.Call, call: cst.Call) -> cst.Call:
        """A call that writes into arguments: those that are read afterwards may be no traced arrays."""
        if not name or not self.in_function or self.at_construction():
            return call
        cls = self.classes.classes.get(self.unit)
        given, written = self.surroundings.effects.of_call(name, self.meaning(name).symbol, cls)
        arguments = list(call.args)
        for position, argument in enumerate(original.args):
            if argument.star:
                break
            parameter = argument.keyword.value if argument.keyword else dict(enumerate(given)).get(position, "")
            if parameter not in written and not (how == ARGUMENT and position == 0):
                continue
            seen = self._seen_after(original, argument.value)
            if seen:
                message = f"{self._position()}: {name} writes into what {', '.join(seen)} may be, which is read later"
                checked = self._support("refuse_alias", arguments[position].value, cst.SimpleString(repr(message)))
                arguments[position] = arguments[position].with_changes(value=checked)
        return call.with_changes(args=arguments)

    def leave_Expr(self, original_node: cst.Expr, updated_node: cst.Expr) -> Any:
        value = original_node.value
        if not isinstance(value, cst.Call):
            return updated_node
        if self._is_silent(value):
            return cst.RemoveFromParent()
        target = self._written(value)
        if target is None or not isinstance(updated_node.value, cst.Call):
            return updated_node
        target = _without_data(target)
        if isinstance(target, cst.Name) and self._is_local(target.value):
            return cst.FlattenSentinel([*self._guards(target.value), _assign(target.value, updated_node.value)])
        if isinstance(target, cst.Subscript):
            first = updated_node.value.args[0].value
            if isinstance(first, cst.Subscript):
                return self._set_item(original_node, target, first, updated_node.value)
        return updated_node

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> Any:
        """What has become several statements stands on several lines."""
        if len(updated_node.body) <= len(original_node.body):
            return updated_node
        lines = [cst.SimpleStatementLine([part.with_changes(semicolon=_NO_SEMICOLON)]) for part in updated_node.body]
        lines[0] = lines[0].with_changes(leading_lines=updated_node.leading_lines)
        lines[-1] = lines[-1].with_changes(trailing_whitespace=updated_node.trailing_whitespace)
        return cst.FlattenSentinel(lines)

    def visit_Assign(self, node: cst.Assign) -> bool:
        for target in node.targets:
            self._store(target.target)
        self._set_aside(node)
        return not self._is_declaration(node) and self._answer_to(node) is UNKNOWN

    def _set_aside(self, node: cst.Assign) -> None:
        """`self.queue = queue.Queue()`: what is made for threads, files and clocks matters only where it is used."""
        statement = self.pairs[node]
        name = self.foreign(dotted_name(node.value.func)) if isinstance(node.value, cst.Call) else ""
        if not self.in_function or name.partition(".")[0] not in _MACHINERY:
            return
        assert isinstance(statement, ast.Assign)
        if all((environment.dotted(target) or "").startswith("self.") for target in statement.targets):
            found = refusal(self.module, statement, "R06", "", name, f"{name} is not supported")
            self.result.namespaces["unsupported"] = "translators.runtime.support.unsupported"
            self.replaced[node.value] = cst.parse_expression(call_text(found, "unsupported"))

    def _answer_to(self, node: cst.Assign) -> Any:
        """The value of a module constant that is a question about the surroundings."""
        statement = self.pairs[node]
        if self.in_function or not isinstance(statement, ast.Assign) or isinstance(statement.value, ast.Constant):
            return UNKNOWN
        value = environment.evaluate(statement.value, self.surroundings.index.lookup(self.module))
        return value if isinstance(value, bool) else UNKNOWN

    def _is_declaration(self, node: cst.Assign) -> bool:
        """`__constants__` and the like in a class body, meant for TorchScript."""
        target = node.targets[0].target
        in_class = bool(self.scopes) and self.scopes[-1].is_class
        return in_class and isinstance(target, cst.Name) and target.value.startswith("__")

    def leave_Assign(self, original_node: cst.Assign, updated_node: cst.Assign) -> Any:
        if self._is_declaration(original_node):
            return cst.RemoveFromParent()
        answer = self._answer_to(original_node)
        if answer is not UNKNOWN:
            return updated_node.with_changes(value=cst.Name(repr(answer)))
        target = updated_node.targets[0].target
        if len(updated_node.targets) == 1 and isinstance(target, cst.Subscript):
            original = original_node.targets[0].target
            assert isinstance(original, cst.Subscript)
            if self._may_hold_tensor(original):
                return self._set_item(original_node, original, target, updated_node.value)
        if isinstance(target, cst.Attribute) and self._is_made_here(target.value):
            return cst.RemoveFromParent()  # arrays keep no attributes
        if isinstance(target, cst.Attribute) and target.attr.value == "requires_grad":
            return cst.Expr(
                cst.Call(self.operation("requires_grad_"), [cst.Arg(target.value), cst.Arg(updated_node.value)])
            )
        return updated_node

    def _is_made_here(self, node: cst.BaseExpression) -> bool:
        """Whether a local name only ever holds what a torch function made."""
        function = next((scope.function for scope in reversed(self.scopes) if scope.function is not None), None)
        if function is None or not isinstance(node, cst.Name) or node.value in parameters(function):
            return False
        values = [
            part.value
            for part in own_nodes(function)
            if isinstance(part, ast.Assign)
            and any(isinstance(target, ast.Name) and target.id == node.value for target in part.targets)
        ]
        return bool(values) and all(self._makes_tensor(value) for value in values)

    def _makes_tensor(self, value: ast.expr) -> bool:
        """`torch.zeros(2)`, or methods of one: `torch.zeros(2).float()`."""
        while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
            name = self.foreign(environment.dotted(value.func))
            if name.startswith("torch.") and not name.startswith("torch.nn."):
                return True
            value = value.func.value
        return False

    def visit_AugAssign(self, node: cst.AugAssign) -> None:
        self._store(node.target)

    def leave_AugAssign(self, original_node: cst.AugAssign, updated_node: cst.AugAssign) -> Any:
        target, original = updated_node.target, original_node.target
        if isinstance(original, cst.Name) and original.value in self.tallied():
            return cst.RemoveFromParent()
        if isinstance(original, cst.Name) and self.in_function and self._is_local(original.value):
            guards = self._guards(original.value)
            return cst.FlattenSentinel([*guards, updated_node]) if guards else updated_node
        if isinstance(target, cst.Attribute) and target.attr.value == "data":
            if self.at_construction() or not isinstance(target.value, cst.Name):
                return updated_node.with_changes(target=target.value)  # a parameter is written in place
            return cst.Expr(self.refuse("R05", dotted_name(original) or "", "torch.Tensor.data", "write through .data"))
        if (
            isinstance(target, cst.Subscript)
            and isinstance(original, cst.Subscript)
            and self._may_hold_tensor(original)
        ):
            operator = _BINARY[type(updated_node.operator)]()
            if not all(_is_place(element.slice) for element in original.slice):
                return self._set_item(original_node, original, target, updated_node.value, operator)
            value = cst.BinaryOperation(_parenthesised(target), operator, _parenthesised(updated_node.value))
            return self._set_item(original_node, original, target, value)
        return updated_node

    def leave_Subscript(self, original_node: cst.Subscript, updated_node: cst.Subscript) -> cst.BaseExpression:
        """`x[:, [0, 2]]` selects by a list, which JAX declines."""
        if original_node in self.stores or not self.in_function:
            return updated_node
        indices = [e.slice.value for e in updated_node.slice if isinstance(e.slice, cst.Index)]
        if not any(isinstance(index, cst.List | cst.ListComp) for index in indices):
            return updated_node
        return self._support("get_item", updated_node.value, _index(updated_node.slice))

    def _store(self, target: cst.BaseExpression) -> None:
        self.stores.add(target)
        if isinstance(target, cst.Tuple | cst.List):
            for element in target.elements:
                self._store(element.value)
        while isinstance(target, cst.Subscript):
            target = target.value
            self.stores.add(target)

    def _set_item(
        self,
        node: cst.CSTNode,
        original: cst.Subscript,
        target: cst.Subscript,
        value: cst.BaseExpression,
        operator: cst.BaseBinaryOp | None = None,
    ) -> Any:
        """`x[i] = v` as `x = set_item(x, i, v)`, with an operator as `x = update_item(x, i, '+', v)`; what is no local
        name holds something that can be written."""
        base = self._seen_by_gradient(original.value, _without_data(target.value))
        if isinstance(value, cst.Tuple) and not value.lpar:
            value = value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        if operator is None:
            call = self._support("set_item", base, _index(target.slice), value)
        else:
            sign = cst.SimpleString(repr(cst.Module([]).code_for_node(operator).strip()))
            call = self._support("update_item", base, _index(target.slice), sign, value)
        owner = _without_data(original.value)
        if isinstance(owner, cst.Name) and self._is_local(owner.value):
            return cst.FlattenSentinel([*self._guards(owner.value), _assign(owner.value, call)])
        if self._is_view(owner) and not self.at_construction():
            return cst.Expr(
                self.refuse("R05", dotted_name(owner) or "", "item assignment", "write into a view of a tensor")
            )
        return cst.Expr(call)

    def _seen_by_gradient(self, original: cst.BaseExpression, written: cst.BaseExpression) -> cst.BaseExpression:
        """What is written, checked to be no traced array where it is written through `.data` or `.detach()`: PyTorch's
        gradient of such a tensor is what it was before."""
        owner = _without_data(original)
        if owner is original or not isinstance(owner, cst.Name) or not self._is_local(owner.value):
            return written
        if self.at_construction() or self.stops or self._is_made_here(owner):
            return written
        message = f"{self._position()}: {owner.value} is written behind the back of its gradient"
        return self._support("refuse_alias", written, cst.SimpleString(repr(message)))

    def _is_view(self, node: cst.BaseExpression) -> bool:
        return (
            isinstance(node, cst.Call)
            and isinstance(node.func, cst.Attribute)
            and node.func.attr.value in methods.VIEWS
        )

    def _may_hold_tensor(self, target: cst.Subscript) -> bool:
        """Whether `target` may be an item of a tensor rather than of a list or dict made here."""
        if not self.in_function:
            return False
        if all(isinstance(e.slice, cst.Index) and isinstance(e.slice.value, cst.SimpleString) for e in target.slice):
            return False
        name = dotted_name(target.value)
        return name is None or not any(name in scope.containers for scope in self.scopes)

    def _written(self, call: cst.Call) -> cst.BaseExpression | None:
        """What a call statement writes into."""
        function = call.func
        name = self.foreign(dotted_name(function))
        if name.startswith("torch."):
            return call.args[0].value if call.args and _writes(name, call) else None
        if isinstance(function, cst.Attribute) and methods.is_in_place(function.attr.value):
            return _innermost(call)
        attribute = (dotted_name(function) or "").removeprefix(self.receiver + ".") if self.receiver else ""
        if self.in_place_attributes.get(attribute) == ALWAYS and len(call.args) == 1:
            return call.args[0].value
        return None

    def visit_Expr(self, node: cst.Expr) -> bool:
        self._expression = node.value
        return not (isinstance(node.value, cst.Call) and self._is_silent(node.value))

    def _is_silent(self, call: cst.Call) -> bool:
        name = dotted_name(call.func)
        foreign = self.foreign(name)
        # Domain libraries wrap PyTorch's usage log in a function of the same name that inspects its caller.
        if foreign in names.SILENT_CALLS or foreign.startswith(names.SILENT_MODULES):
            return True
        if (name or "").rpartition(".")[2] == "_log_api_usage_once":
            return True
        symbol = self.meaning(name).symbol if name is not None else None
        if symbol is None or symbol.kind != "unit" or not symbol.rest:
            return False
        value = getattr(symbol.units[-1].node, "value", None)
        return isinstance(value, ast.Call) and "getLogger" in ast.unparse(value.func)


_NO_SEMICOLON = cst.MaybeSentinel.DEFAULT

_BINARY: dict[type, type] = {
    cst.AddAssign: cst.Add,
    cst.SubtractAssign: cst.Subtract,
    cst.MultiplyAssign: cst.Multiply,
    cst.DivideAssign: cst.Divide,
    cst.FloorDivideAssign: cst.FloorDivide,
    cst.ModuloAssign: cst.Modulo,
    cst.PowerAssign: cst.Power,
    cst.MatrixMultiplyAssign: cst.MatrixMultiply,
    cst.BitAndAssign: cst.BitAnd,
    cst.BitOrAssign: cst.BitOr,
    cst.BitXorAssign: cst.BitXor,
    cst.LeftShiftAssign: cst.LeftShift,
    cst.RightShiftAssign: cst.RightShift,
}


def _innermost(call: cst.Call) -> cst.BaseExpression:
    """x of `x.mul_(a).add_(b)`."""
    receiver: cst.BaseExpression = call
    while isinstance(receiver, cst.Call) and isinstance(receiver.func, cst.Attribute):
        if not methods.is_in_place(receiver.func.attr.value):
            break
        receiver = receiver.func.value
    return receiver


def _writes(function: str, call: cst.Call) -> bool:
    """Whether a torch function writes into its first argument; those of torch.nn.init do so at construction only."""
    if function.startswith("torch.nn.init.") or function.rpartition(".")[2][:1].isupper():
        return False  # a class such as nn.Dropout(rate, inplace=True) takes no tensor
    if function.endswith("_"):
        return True
    position = _flag_position(function, call)
    return position is not None and dotted_name(call.args[position].value) == "True"


def _flag_position(function: str, call: cst.Call) -> int | None:
    """Where a call of a torch function says `inplace=`."""
    position = methods.in_place_position(function)
    for i, argument in enumerate(call.args):
        if argument.keyword.value == "inplace" if argument.keyword else i == position:
            return i
    return None


def _is_place(index: cst.BaseSlice) -> bool:
    """Whether an index is a slice, a number, an ellipsis or a new axis: no mask."""
    if isinstance(index, cst.Slice):
        return True
    value = index.value if isinstance(index, cst.Index) else index
    if isinstance(value, cst.UnaryOperation):
        value = value.expression
    return isinstance(value, cst.Integer | cst.Ellipsis) or (isinstance(value, cst.Name) and value.value == "None")


def _assign(name: str, value: cst.BaseExpression) -> cst.Assign:
    return cst.Assign([cst.AssignTarget(cst.Name(name))], value)


def _parenthesised(node: cst.BaseExpression) -> cst.BaseExpression:
    if isinstance(node, cst.Name | cst.Attribute | cst.Call | cst.Subscript | cst.Integer | cst.Float) or node.lpar:
        return node
    return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def _without_data(node: cst.BaseExpression) -> cst.BaseExpression:
    """x of `x.data` and of `x.detach()`, also once that is an operation."""
    if isinstance(node, cst.Attribute) and node.attr.value == "data":
        return node.value
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value == "detach":
        return node.args[0].value if node.args else node.func.value
    return node


def _index(elements: Sequence[cst.SubscriptElement]) -> cst.BaseExpression:
    """The index of a subscript as an expression: slices are spelled out."""
    parts: list[cst.BaseExpression] = []
    for element in elements:
        if isinstance(element.slice, cst.Slice):
            bounds = [element.slice.lower, element.slice.upper, element.slice.step]
            if bounds[2] is None:
                bounds.pop()
            parts.append(cst.Call(cst.Name("slice"), [cst.Arg(bound or cst.Name("None")) for bound in bounds]))
        elif isinstance(element.slice, cst.Index):
            parts.append(element.slice.value)
    if len(parts) == 1 and len(elements) == 1 and not isinstance(elements[0].comma, cst.Comma):
        return parts[0]
    return cst.Tuple([cst.Element(part) for part in parts])
