"""Python text to a syntax tree: within limits, without a warning, and what cannot be parsed costs only itself; and the
ways through a tree, in half of the time that `ast` takes."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator

_LONGEST_LINE = 20_000
_DEEPEST = 200  # what walks a tree may recurse
_KINDS = [kind for kind in vars(ast).values() if isinstance(kind, type) and issubclass(kind, ast.AST)]
_FIELDS = {kind: tuple(name for name in kind._fields if name != "ctx") for kind in _KINDS}


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


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes right below, in textual order, but for the contexts of names."""
    found: list[ast.AST] = []
    for name in _FIELDS[type(node)]:
        value = getattr(node, name, None)
        if type(value) is list:
            found += [item for item in value if isinstance(item, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all below it, the upper ones first."""
    level = [node]
    while level:
        yield from level
        level = [child for node in level for child in children(node)]


def _is_deep(tree: ast.Module) -> bool:
    waiting: list[tuple[ast.AST, int]] = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > _DEEPEST:
            return True
        # An expression is less deep than it is long: most need no look inside.
        is_short = isinstance(node, ast.expr) and _length(node) < _DEEPEST - depth
        if not is_short:
            waiting.extend((child, depth + 1) for child in children(node))
    return False


def _length(node: ast.expr) -> float:
    if node.lineno != node.end_lineno or node.end_col_offset is None:
        return float("inf")
    return node.end_col_offset - node.col_offset
