"""Positions of refusals: from a name in a statement to file, line, column and caret."""

from __future__ import annotations

import ast

from translators.diagnostics import CODES, Refusal
from translators.environment import dotted
from translators.index import Module


def refusal(module: Module, statement: ast.AST, code: str, spelling: str, name: str, message: str = "") -> Refusal:
    """A refusal at the first occurrence of `spelling`, a dotted name or a method `.name`, in `statement`."""
    node = _find(statement, spelling) or statement
    line = getattr(node, "lineno", 1)
    column = getattr(node, "col_offset", 0)
    path, shown = module.file.position(line)
    text = module.lines[line - 1] if line <= len(module.lines) else ""
    return Refusal(code, message or f"{name} is not supported", path, shown, column, text, name)


def call_text(found: Refusal, function: str) -> str:
    """The call that stands in emitted code for what was refused."""
    where = f"{found.path}:{found.line}: {found.message or CODES[found.code][0]}"
    return f"{function}({found.code!r}, {where!r})"


def _find(statement: ast.AST, spelling: str) -> ast.AST | None:
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute | ast.Name):
            if spelling.startswith("."):
                if isinstance(node, ast.Attribute) and node.attr == spelling[1:]:
                    return node
            elif dotted(node) == spelling:
                return node
    return None
