"""A libcst transformer that asks only where it has something to say: most nodes are spaces, commas and brackets."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import libcst as cst
from libcst._nodes import op, whitespace


class Transformer(cst.CSTTransformer):
    """Calls the `visit_` and `leave_` methods that subclasses define; what holds spaces only is kept as it is."""

    def on_visit(self, node: cst.CSTNode) -> bool:
        kind = type(node)
        if kind in _SPACES:
            return False
        method = _method(type(self), f"visit_{kind.__name__}")
        return method is None or method(self, node) is not False

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:
        method = _method(type(self), f"leave_{type(original_node).__name__}")
        return updated_node if method is None else method(self, original_node, updated_node)

    def on_visit_attribute(self, node: cst.CSTNode, attribute: str) -> None:
        method = _method(type(self), f"visit_{type(node).__name__}_{attribute}")
        if method is not None:
            method(self, node)

    def on_leave_attribute(self, original_node: cst.CSTNode, attribute: str) -> None:
        method = _method(type(self), f"leave_{type(original_node).__name__}_{attribute}")
        if method is not None:
            method(self, original_node)


_BRACKETS = {
    *(cst.LeftParen, cst.RightParen, cst.LeftSquareBracket, cst.RightSquareBracket),
    *(cst.LeftCurlyBrace, cst.RightCurlyBrace),
}
_SPACES = frozenset(
    kind
    for room in (op, whitespace)
    for kind in vars(room).values()
    if isinstance(kind, type) and issubclass(kind, cst.CSTNode)
) | frozenset(_BRACKETS)


@cache
def _method(transformer: type, name: str) -> Callable[..., Any] | None:
    """The method of a transformer; None where it is the one of libcst that does nothing."""
    found = getattr(transformer, name, None)
    return None if found is getattr(cst.CSTTransformer, name, None) else found
