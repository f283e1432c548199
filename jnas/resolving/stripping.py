"""Source as a language model may see it: code alone, without the texts in which somebody could speak to it. Pure."""

from __future__ import annotations

import ast
import re

from jnas.resolving.questions import clean

MOST_LINES = 60
_WORD = re.compile(r"[A-Za-z0-9_.\-/]{0,24}")  # what stays of strings: names of activations, modes, formats


def stripped(source: str) -> list[str]:
    """Lines of the code without comments, docstrings, annotations and strings that are more than a word.

    Empty for text that is no Python. Indentation is kept, lines are cut (see questions.clean) and at most MOST_LINES.
    """
    try:
        tree = _Stripper().visit(ast.parse(source))
        text = ast.unparse(ast.fix_missing_locations(tree))
    except (SyntaxError, ValueError, RecursionError):
        return []
    lines = [line for line in text.splitlines() if line.strip()]
    shown = [" " * (len(line) - len(line.lstrip())) + clean(line, 120) for line in lines[:MOST_LINES]]
    return shown if len(lines) <= MOST_LINES else [*shown, "..."]


class _Stripper(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, (ast.Constant, ast.JoinedStr)) else self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, bytes) or (isinstance(node.value, str) and not _WORD.fullmatch(node.value)):
            return ast.Constant("")
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Constant("")

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        return self.generic_visit(ast.Assign([node.target], node.value)) if node.value is not None else None

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns, node.decorator_list = None, []
        return self._bodied(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.decorator_list = []
        return self._bodied(node)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        return self._bodied(node)

    def _bodied(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if getattr(node, "body", None) == []:
            setattr(node, "body", [ast.Pass()])  # noqa: B010 (not every node has a body)
        return node
