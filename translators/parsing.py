"""Python text to a syntax tree: within limits, without a warning, and what cannot be parsed costs only itself."""

from __future__ import annotations

import ast
import warnings

_LONGEST_LINE = 20_000


def parse(text: str) -> ast.Module | str:
    """The syntax tree, or why there is none."""
    if any(len(line) > _LONGEST_LINE for line in text.split("\n")):
        return f"a line is longer than {_LONGEST_LINE} characters"
    try:
        with warnings.catch_warnings():  # of invalid escapes in strings, which are the source's affair
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        return f"not Python 3: {error.msg} (line {error.lineno})"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"not parsable ({type(error).__name__})"
