"""Names and attributes: every reference to torch, a library or the source is written as the emitted module knows it."""

from __future__ import annotations

import libcst as cst

from translators.rewriting.context import dotted_name
from translators.rewriting.state import State

_ALLOWED_DUNDERS = {"__init__", "__call__", "__name__", "__module__", "__qualname__"}
# Attributes of tensors and dtypes that arrays do not have.
_AS_OPERATIONS = {
    "data": "detach",
    "H": "adjoint",
    "mH": "adjoint",
    "is_floating_point": "is_floating_point",
    "is_complex": "is_complex",
}
# Parameters and buffers know it; arrays in between take part in the gradient.
_REQUIRES_GRAD = (cst.Arg(cst.SimpleString('"requires_grad"')), cst.Arg(cst.Name("True")))


class References(State):
    """Rewrites `cst.Name` and `cst.Attribute`."""

    def visit_Name(self, node: cst.Name) -> bool:
        if not self.plain:
            self._replace(node, node.value)
        return False

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
        return self.replaced.pop(original_node, updated_node)

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        name = dotted_name(node)
        return name is None or not self._replace(node, name)

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.BaseExpression:
        if original_node in self.replaced:
            return self.replaced.pop(original_node)
        attribute = original_node.attr.value
        if attribute.startswith("__") and attribute.endswith("__") and attribute not in _ALLOWED_DUNDERS:
            return self._dunder(original_node, updated_node)
        if (
            original_node in self.stores
            or original_node in self.called
            or dotted_name(original_node.value) in ("self", "cls")
        ):
            return updated_node
        if attribute == "device":
            return cst.Call(self.operation("device"))
        if attribute == "is_cuda":
            return cst.Name("False")
        if attribute == "requires_grad":
            return cst.Call(cst.Name("getattr"), [cst.Arg(updated_node.value), *_REQUIRES_GRAD])
        if attribute in _AS_OPERATIONS and not (attribute == "data" and isinstance(updated_node.value, cst.Call)):
            return cst.Call(self.operation(_AS_OPERATIONS[attribute]), [cst.Arg(updated_node.value)])
        return updated_node

    def _replace(self, node: cst.BaseExpression, name: str) -> bool:
        """Note what the dotted name becomes; False when it belongs to a local variable."""
        resolved = self.meaning(name)
        if resolved.symbol is None:
            return False
        expression = self.spell(name, resolved.symbol, resolved.imported_inside)
        if expression is not None:
            self.replaced[node] = expression
        elif isinstance(node, cst.Attribute):
            self.replaced[node] = node
        return True

    def _dunder(self, original: cst.Attribute, updated: cst.Attribute) -> cst.BaseExpression:
        attribute = original.attr.value
        if attribute == "__class__":
            # `x.__class__.__name__` and `self.__class__(...)` are spelled with type().
            return cst.Call(cst.Name("type"), [cst.Arg(updated.value)])
        return self.refuse("R15", f".{attribute}", attribute, f"attribute {attribute}")

    # Identifiers that are no references.
    def visit_Attribute_attr(self, node: cst.Attribute) -> None:
        self.plain += 1

    def leave_Attribute_attr(self, node: cst.Attribute) -> None:
        self.plain -= 1

    def visit_Arg_keyword(self, node: cst.Arg) -> None:
        self.plain += 1

    def leave_Arg_keyword(self, node: cst.Arg) -> None:
        self.plain -= 1

    def visit_Param_name(self, node: cst.Param) -> None:
        self.plain += 1

    def leave_Param_name(self, node: cst.Param) -> None:
        self.plain -= 1

    def visit_FunctionDef_name(self, node: cst.FunctionDef) -> None:
        self.plain += 1

    def leave_FunctionDef_name(self, node: cst.FunctionDef) -> None:
        self.plain -= 1

    def visit_ClassDef_name(self, node: cst.ClassDef) -> None:
        self.plain += 1

    def leave_ClassDef_name(self, node: cst.ClassDef) -> None:
        self.plain -= 1
