"""Jupyter notebooks as Python: the code cells one after another, without what only the notebook's shell understands."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from translators.parsing import parse

# `%%time` and its kin run the cell below them; any other cell magic means that it is not Python.
_TRANSPARENT_MAGICS = re.compile(r"%%(time|timeit|capture|prun)\b")
_SHELL_LINE = re.compile(r"^(\s*)(?:[%!?].*|[\w.]+\?\??\s*)$")
_SHELL_VALUE = re.compile(r"^(\s*[\w.,\s]+=\s*)[%!].*$")


@dataclass(frozen=True)
class Notebook:
    """`starts` holds the line of `text`, from 1, at which each code cell begins; `skipped` (cell, reason)."""

    text: str
    starts: tuple[int, ...]
    skipped: tuple[tuple[int, str], ...]


def read_notebook(text: str) -> Notebook | str:
    """The code cells of a notebook, or why there are none. A cell keeps its number of lines; cells count from 1."""
    try:
        cells = json.loads(text)
        worksheets = cells.get("worksheets", [])  # format 3
        listed = cells["cells"] if not worksheets else [cell for sheet in worksheets for cell in sheet["cells"]]
        sources = [cell.get("source", cell.get("input", "")) for cell in listed if cell.get("cell_type") == "code"]
        codes = [source if isinstance(source, str) else "".join(source) for source in sources]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return f"not a notebook ({type(error).__name__})"
    lines: list[str] = []
    starts, skipped = [], []
    for number, code in enumerate(codes, 1):
        starts.append(len(lines) + 1)
        python = _python(code)
        if isinstance(problem := parse(python), str):
            skipped.append((number, problem))
            python = "\n" * code.count("\n")
        lines += [*python.split("\n"), ""]
    return Notebook("\n".join(lines), tuple(starts), tuple(skipped))


def _python(code: str) -> str:
    code = code.replace("\r\n", "\n").replace("\r", "\n")
    first = code.lstrip().split("\n", 1)[0]
    if first.startswith("%%") and not _TRANSPARENT_MAGICS.match(first):
        return "\n" * code.count("\n")
    if not isinstance(parse(code), str):  # a line that begins with % may continue an expression
        return code
    lines = (_SHELL_VALUE.sub(r"\1None", line) for line in code.split("\n"))
    return "\n".join(_SHELL_LINE.sub(r"\1pass", line) for line in lines)
