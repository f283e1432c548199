"""The runtime of translated code as modules that files can be cut out of: whatever is used, and nothing else."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import translators

PACKAGE = "translators.runtime"
_FOLDER = Path(translators.__file__).parent
_NAMESPACES = ("nn", "functional", "ops")  # modules that hold names of others, put there while they are loaded


@cache
def runtime_modules() -> Mapping[str, str]:
    """Path -> text of every module of the runtime, in a form whose names can be followed without running it."""
    texts = {}
    for file in (_FOLDER / "diagnostics.py", *sorted((_FOLDER / "runtime").rglob("*.py"))):
        texts[_path(file)] = _with_imports_on_top(file.read_text(encoding="utf-8"))
    for name in _NAMESPACES:
        module = import_module(f"{PACKAGE}.{name}")
        path = _path(module.__file__)
        texts[path] = "\n".join([*_imports(texts[path]), *_joined(module, texts[path])]) + "\n"
    module = import_module(f"{PACKAGE}.tensor.inplace")
    path = _path(module.__file__)
    texts[path] = "\n".join([_static(texts[path]), *_made_in_place(module, texts[path])]) + "\n"
    texts[f"{PACKAGE.replace('.', '/')}/namespaces.py"] = _namespaces()
    return MappingProxyType(texts)


def _path(file: Any) -> str:
    return Path(file).relative_to(_FOLDER.parent).as_posix()


def _imports(text: str) -> Iterator[str]:
    tree = ast.parse(text)
    yield from (ast.unparse(s) for s in tree.body if isinstance(s, ast.ImportFrom) and s.module != "typing")


def _joined(namespace: ModuleType, text: str) -> Iterator[str]:
    """Imports of the names that a module takes over from the modules that it imports."""
    imported = (node for node in ast.parse(text).body if isinstance(node, ast.ImportFrom))
    places = [f"{node.module}.{alias.name}" for node in imported for alias in node.names]
    rooms = [sys.modules[place] for place in places if place in sys.modules]
    for name in namespace.__all__:
        for room in rooms:
            if name in room.__all__ and vars(room)[name] is vars(namespace)[name]:
                yield f"from {room.__name__} import {name}"
                break


def _static(text: str) -> str:
    """Without the statements that define names by writing into `globals()`."""
    lines = text.split("\n")
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Expr) and ast.unparse(statement).startswith("globals()"):
            lines[statement.lineno - 1 : statement.end_lineno] = [""] * len(
                lines[statement.lineno - 1 : statement.end_lineno]
            )
    return "\n".join(lines)


def _made_in_place(module: ModuleType, text: str) -> Iterator[str]:
    """Definitions of the in-place operations that the module makes of others while it is loaded."""
    written = {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
    written |= {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    rooms = {name: room for name, room in vars(module).items() if isinstance(room, ModuleType)}
    for name in module.__all__:
        if name not in written:
            room = next(local for local, room in rooms.items() if name[:-1] in getattr(room, "__all__", ()))
            yield f"{name} = _in_place({room}.{name[:-1]})"


def _with_imports_on_top(text: str) -> str:
    """Imports of our own modules inside functions, which avoid circles while modules load, stand above instead."""
    lines = text.split("\n")
    nested = [
        node
        for function in ast.walk(ast.parse(text))
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "translators"
    ]
    for node in nested:
        lines[node.lineno - 1 : node.end_lineno] = [""] * ((node.end_lineno or node.lineno) - node.lineno + 1)
    return "\n".join([*lines, *map(ast.unparse, nested)])


def with_namespaces(text: str) -> str:
    """Emitted code in which a module of the runtime that is used as a value, as to look a layer up by its name, is a
    namespace with all that the module declares."""
    tree = ast.parse(text)
    imported = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == PACKAGE]
    spaces = {alias.asname or alias.name: alias.name for node in imported for alias in node.names}
    owners = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    bare = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in owners]
    uses = [node for node in bare if spaces.get(node.id) in _NAMESPACES]
    lines = [line.encode() for line in text.split("\n")]
    for node in sorted(uses, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        old, new = lines[node.lineno - 1], f"{spaces[node.id]}_names".encode()
        lines[node.lineno - 1] = old[: node.col_offset] + new + old[node.end_col_offset :]
    names = sorted({spaces[node.id] for node in uses})
    added = [f"from {PACKAGE}.namespaces import {name}_names".encode() for name in names]
    return b"\n".join([*lines, *added]).decode()


def _namespaces() -> str:
    """A module with an object for each namespace."""
    lines = ["from types import SimpleNamespace"]
    for space in _NAMESPACES:
        names = [name for name in import_module(f"{PACKAGE}.{space}").__all__ if name not in ("functional", "init")]
        lines += [f"from {PACKAGE}.{space} import {name} as {space}_{name}" for name in names]
        entries = "".join(f"    {name}={space}_{name},\n" for name in names)
        lines.append(f"{space}_names = SimpleNamespace(\n    __name__={space!r},\n    __all__={names!r},\n{entries})")
    return "\n".join(lines) + "\n"
