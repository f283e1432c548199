"""The text of a block's class, for readers: questions to a language model, pages, exports."""

from __future__ import annotations

import ast
from pathlib import Path

from jnas.library.block import Block

_OWN = Path(__file__).with_name("primitives.py")


def class_source(block: Block) -> str:
    """The class as it stands in the library, decorators excluded; empty when its file is gone."""
    module, _, name = block.name.rpartition(".")
    path = _OWN if block.folder is None else Path(block.folder).joinpath(*module.split("."))
    for file in (path, path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            text = file.read_text(encoding="utf-8")
            for statement in ast.parse(text).body:
                if isinstance(statement, ast.ClassDef) and statement.name == name:
                    return ast.get_source_segment(text, statement) or ""
    return ""
