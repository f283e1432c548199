"""Calls: tensor methods become operations, queries of the surroundings become answers, wrappers fall away."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from translators.rewriting import methods, names
from translators.rewriting.context import dotted_name
from translators.rewriting.inplace import InPlace
from translators.rewriting.state import State
from translators.rewriting.unit import Call

_EQUAL = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
_LITERALS = (cst.SimpleString, cst.FormattedString, cst.ConcatenatedString, cst.Dict, cst.List, cst.Set, cst.DictComp)


class Calls(InPlace, State):
    """Rewrites `cst.Call`."""

    def visit_Call(self, node: cst.Call) -> bool:
        name = dotted_name(node.func)
        self.called.add(node.func)
        self._note(node, name)
        foreign = self.foreign(name)
        if foreign in names.ANSWERS:
            self.replaced[node] = cst.parse_expression(repr(names.ANSWERS[foreign]))
        elif foreign in ("os.environ.get", "os.getenv"):
            self.replaced[node] = self._argument(node.args[1]) if len(node.args) > 1 else cst.Name("None")
        elif foreign in names.TRANSPARENT and node.args:
            self.replaced[node] = self._argument(node.args[0])
        elif foreign in names.CHECKS and node.args:
            self.replaced[node] = self._support("require", *map(self._argument, node.args[:2]))
        elif foreign == "torch.jit.annotate" and len(node.args) == 2:
            self.replaced[node] = self._argument(node.args[1])
        elif foreign in names.CALLS_THROUGH and node.args:
            kept = [a for a in node.args[1:] if a.keyword is None or a.keyword.value not in names.CALL_THROUGH_KEYWORDS]
            arguments = [cst.Arg(self._argument(a), a.keyword, star=a.star) for a in kept]
            self.replaced[node] = cst.Call(self._argument(node.args[0]), arguments)
        elif foreign in ("getattr", "setattr", "hasattr", "type"):
            self._by_name(node, foreign)
        if node not in self.replaced and isinstance(node.func, cst.Attribute):
            self.prepare_in_place(node)
        return node not in self.replaced

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        if original_node in self.replaced:
            return self.replaced.pop(original_node)
        function = original_node.func
        if not isinstance(function, cst.Attribute) or not self._may_be_tensor(function.value):
            written = self.finish_in_place_function(original_node, updated_node)
            return self.finish_in_place_module(original_node, written) if written is updated_node else written
        method = function.attr.value
        if methods.is_unsupported(method) and method not in self.surroundings.own_methods:
            code = names.refusal_code(f"torch.{method}")
            message = f"tensor method {method} is not supported"
            return self.refuse(code, f".{method}", f"torch.Tensor.{method}", message)
        if not methods.is_operation(method) or not isinstance(updated_node.func, cst.Attribute):
            return updated_node
        receiver = updated_node.func.value
        call = updated_node.with_changes(
            func=self.operation(method), args=_with_receiver(method, receiver, updated_node.args)
        )
        if methods.is_in_place(method):
            return self.finish_in_place_method(original_node, call)
        return call

    def _argument(self, argument: cst.Arg) -> cst.BaseExpression:
        visited = argument.value.visit(self)
        assert isinstance(visited, cst.BaseExpression)
        return visited

    def _note(self, node: cst.Call, name: str | None) -> None:
        """Note calls of own methods, of the parent's, and of functions and classes of the sources."""
        receiver = self.receiver
        if name is not None and receiver and name.startswith(receiver + ".") and name.count(".") == 1:
            self.remember(Call("self", name.partition(".")[2]))
        elif isinstance(node.func, cst.Attribute) and _is_super(node.func.value):
            self.remember(Call("super", node.func.attr.value))
        elif name is not None:
            symbol = self.meaning(name).symbol
            if symbol is not None and symbol.kind == "unit" and len(symbol.rest) < 2:
                self.remember(Call("unit", "".join(symbol.rest), symbol.units[-1]))

    def _may_be_tensor(self, receiver: cst.BaseExpression) -> bool:
        """Whether a method call on this expression may be one on a tensor."""
        if isinstance(receiver, _LITERALS) or _is_super(receiver):
            return False
        name = dotted_name(receiver)
        if name is None:
            return True
        if name == self.receiver or name == "cls":
            return False
        resolved = self.meaning(name)
        if resolved.local:
            return name not in (scope_name for scope in self.scopes for scope_name in scope.containers)
        symbol = resolved.symbol
        return symbol is not None and symbol.kind == "unit" and symbol.units[-1].kind == "constant"

    def _by_name(self, node: cst.Call, function: str) -> None:
        """Attributes by name: constant ones stay, computed ones of the module itself go through its own look-up."""
        if function == "type":
            if len(node.args) > 1:
                self.replaced[node] = self.refuse("R14", "type", "type", "class made by type()")
            return
        if len(node.args) < 2 or any(argument.star for argument in node.args):
            self.replaced[node] = self.refuse("R15", function, function, f"{function} with unusual arguments")
            return
        attribute = node.args[1].value
        if isinstance(attribute, cst.SimpleString):
            text = attribute.evaluated_value
            if isinstance(text, str) and not text.startswith("__"):
                return
        elif function == "hasattr":
            return
        elif dotted_name(node.args[0].value) == self.receiver and self.receiver and len(node.args) < 4:
            if function == "setattr":
                self._own_method(node, "add_module", node.args[1:])
                return
            if len(node.args) == 2:
                self._own_method(node, "get_submodule", node.args[1:])
                return
        elif function == "getattr" and self._runtime_lookup(node):
            return
        self.replaced[node] = self.refuse("R09", function, function, f"{function} with a computed name")

    def _own_method(self, node: cst.Call, method: str, arguments: Sequence[cst.Arg]) -> None:
        visited = [argument.visit(self) for argument in arguments]
        self.replaced[node] = cst.Call(cst.Attribute(cst.Name(self.receiver), cst.Name(method)), visited)  # type: ignore[arg-type]

    def _runtime_lookup(self, node: cst.Call) -> bool:
        """`getattr(nn, name)`: a look-up among the public names of a runtime module."""
        module = dict(names.RUNTIME_MODULES).get(self.foreign(dotted_name(node.args[0].value)))
        if module is None or len(node.args) != 2:
            return False
        self.result.namespaces["look_up"] = "translators.runtime.support.look_up"
        arguments = [cst.Arg(cst.Name(self.runtime(module))), cst.Arg(self._argument(node.args[1]))]
        self.replaced[node] = cst.Call(cst.Name("look_up"), arguments)
        return True


def _with_receiver(method: str, receiver: cst.BaseExpression, arguments: Sequence[cst.Arg]) -> list[cst.Arg]:
    """The receiver as first argument; as `input`, the second, of `x.where(condition, other)`."""
    first = cst.Arg(_bare(receiver))
    if method != "where":
        return [first, *arguments]
    if arguments and arguments[0].keyword is None:
        return [arguments[0], first, *arguments[1:]]
    return [*arguments, first.with_changes(keyword=cst.Name("input"), equal=_EQUAL)]


def _bare(receiver: cst.BaseExpression) -> cst.BaseExpression:
    """Without the parentheses that only the dot after it needed."""
    if isinstance(receiver, cst.GeneratorExp | cst.NamedExpr | cst.Tuple):
        return receiver
    plain = all(isinstance(p.whitespace_after, cst.SimpleWhitespace) for p in receiver.lpar)
    plain = plain and all(isinstance(p.whitespace_before, cst.SimpleWhitespace) for p in receiver.rpar)
    return receiver.with_changes(lpar=[], rpar=[]) if plain else receiver


def _is_super(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value == "super"
