"""What a class in a folder of emitted modules consists of: its own text and that of all it refers to. Nothing runs."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from translators.linking import module_loaded_later

_Place = tuple[str, str]  # (dotted module, name in it)


@dataclass(frozen=True)
class _Module:
    """Top-level definitions by name: (text, names in use), and what imported names stand for."""

    definitions: Mapping[str, tuple[str, frozenset[str]]]
    imports: Mapping[str, _Place]


class Closures:
    """Hashes of the closures of classes below `folder`."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._module = cache(self._read)

    def hash_of(self, qualified_name: str) -> str:
        """Hash of the text of `package.module.Class` and of every definition that it reaches."""
        module, _, name = qualified_name.rpartition(".")
        reached: dict[_Place, str] = {}
        queue = [(module, name)]
        while queue:
            place = queue.pop()
            if place in reached:
                continue
            reached[place], following = self._look(place)
            queue.extend(following)
        digest = hashlib.sha256()
        for (module, name), text in sorted(reached.items()):
            digest.update(f"\0{module}\0{name}\0{text}".encode())
        return digest.hexdigest()

    def _look(self, place: _Place) -> tuple[str, list[_Place]]:
        """Text of a definition and the places that it refers to; a whole module refers to all that it defines."""
        module, name = place
        found = self._module(module)
        if name in found.definitions:
            text, used = found.definitions[name]
            local = [(module, other) for other in used if other in found.definitions]
            return text, local + [found.imports[other] for other in used if other in found.imports]
        if name in found.imports:
            return "", [found.imports[name]]
        whole = f"{module}.{name}" if module else name
        return "", [(whole, other) for other in self._module(whole).definitions]

    def _read(self, module: str) -> _Module:
        for file in self._files(module):
            if file.is_file():
                package = module if file.name == "__init__.py" else module.rpartition(".")[0]
                return _parse(file.read_text(encoding="utf-8"), module, package)
        return _Module({}, {})

    def _files(self, module: str) -> Iterator[Path]:
        path = self._folder.joinpath(*module.split("."))
        yield path / "__init__.py"
        if module:
            yield path.with_name(path.name + ".py")


def _parse(text: str, module: str, package: str) -> _Module:
    definitions: dict[str, tuple[str, frozenset[str]]] = {}
    imports: dict[str, _Place] = {}
    lines = text.splitlines(keepends=True)
    for statement in ast.parse(text).body:
        if (loaded := module_loaded_later(statement, module)) is not None:
            imports[loaded[0]] = (loaded[1].rpartition(".")[0], loaded[1].rpartition(".")[2])
            continue
        if isinstance(statement, ast.ImportFrom):
            if statement.level:
                above = package.split(".") if package else []
                above = above[: len(above) - statement.level + 1]
                origin = ".".join([*above, *filter(None, [statement.module])])
                imports |= {alias.asname or alias.name: (origin, alias.name) for alias in statement.names}
            continue
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            names = [statement.name]
        else:
            names = [node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and _is_written(node)]
        used = frozenset(node.id for node in ast.walk(statement) if isinstance(node, ast.Name))
        segment = "".join(lines[statement.lineno - 1 : statement.end_lineno])
        for name in names:
            before, others = definitions.get(name, ("", frozenset()))
            definitions[name] = (before + segment, others | used)
    return _Module(definitions, imports)


def _is_written(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)
