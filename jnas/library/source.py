"""The text of a block's class, for readers: questions to a language model, pages, exports."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path

from jnas.library.block import Block

_OWN = Path(__file__).with_name("primitives.py")


def class_source(block: Block) -> str:
    """The class as it stands in the library, decorators excluded; empty when its file is gone."""
    module, _, name = block.name.rpartition(".")
    path = _OWN if block.folder is None else Path(block.folder).joinpath(*module.split("."))
    for file in (path, path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file() and (text := _class_text(file, name, file.stat().st_mtime_ns)) is not None:
            return text
    return ""


@lru_cache(maxsize=4096)  # every question to a language model shows up to twenty classes
def _class_text(file: Path, name: str, changed: int) -> str | None:
    text = file.read_text(encoding="utf-8")
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.ClassDef) and statement.name == name:
            return ast.get_source_segment(text, statement)
    return None
