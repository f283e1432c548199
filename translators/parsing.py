"""Python text to a syntax tree: within limits, without a warning, and what cannot be parsed costs only itself."""

from __future__ import annotations

import ast
import warnings

_LONGEST_LINE = 20_000
_DEEPEST = 200  # what walks a tree may recurse


def parse(text: str) -> ast.Module | str:
    """The syntax tree, or why there is none."""
    if any(len(line) > _LONGEST_LINE for line in text.split("\n")):
        return f"a line is longer than {_LONGEST_LINE} characters"
    try:
        with warnings.catch_warnings():  # of invalid escapes in strings, which are the source's affair
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
        return f"nested deeper than {_DEEPEST} levels" if _is_deep(tree) else tree
    except SyntaxError as error:
        return f"not Python 3: {error.msg} (line {error.lineno})"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"not parsable ({type(error).__name__})"


def _is_deep(tree: ast.Module) -> bool:
    waiting: list[tuple[ast.AST, int]] = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > _DEEPEST:
            return True
        # An expression is less deep than it is long: most need no look inside.
        is_short = isinstance(node, ast.expr) and _length(node) < _DEEPEST - depth
        if not is_short:
            waiting.extend((child, depth + 1) for child in ast.iter_child_nodes(node))
    return False


def _length(node: ast.expr) -> float:
    if node.lineno != node.end_lineno or node.end_col_offset is None:
        return float("inf")
    return node.end_col_offset - node.col_offset
