"""The files around a file that its imports mean: found on disk by following import statements, never by importing."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from translators.archives import read_file
from translators.parsing import parse

_REPOSITORY_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg")
_INSTALLED = ("site-packages", "dist-packages")
_HIGHEST = 3  # folders above a file that is in no repository
_MOST_FILES = 2000


def import_root(file: Path) -> Path:
    """The folder above the topmost package around `file`."""
    folder = file.parent
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        folder = folder.parent
    return folder


def neighbours(files: Sequence[Path], root: Path) -> tuple[Path, tuple[Path, ...]]:
    """Other files that `files` reach by imports, and the folder that holds all: `root` or one above it."""
    own = set(files)
    found: dict[Path, None] = {}
    queue = list(files)
    bases = {root}
    while queue and len(found) < _MOST_FILES:
        current = queue.pop(0)
        content = read_file(current)
        tree = parse(content.decode("utf-8", "replace")) if isinstance(content, bytes) else ""
        if isinstance(tree, str):
            continue
        for base, path in _imported(tree, current):
            bases.add(base)
            if path not in own and path not in found:
                found[path] = None
                queue.append(path)
    highest = min(bases, key=lambda base: len(base.parts))
    # What a package's own file imports is read only where something asks for it.
    for file in [*files, *found]:
        folders = file.relative_to(highest).parents
        inits = (highest / folder / "__init__.py" for folder in folders if (highest / folder / "__init__.py").is_file())
        found |= dict.fromkeys(path for path in inits if path not in own)
    return highest, tuple(sorted(found))


def _imported(tree: ast.Module, file: Path) -> Iterator[tuple[Path, Path]]:
    """(folder that an import starts from, file that it reads), also of the packages on the way."""
    for node in ast.walk(tree):
        targets: list[list[str]] = []
        bases: Sequence[Path] = ()
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _first(_roots(file, alias.name), alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            parts = node.module.split(".") if node.module else []
            bases = file.parents[node.level - 1 : node.level] if node.level else _roots(file, node.module or "")
            targets = [parts, *([*parts, alias.name] for alias in node.names)]  # what is imported may be a module
        for target in targets:
            yield from _first(bases, target)


def _first(bases: Sequence[Path], parts: Sequence[str]) -> Iterator[tuple[Path, Path]]:
    """The files of module `parts` below the first base that has it."""
    for base in bases:
        place = base.joinpath(*parts)
        file = place / "__init__.py" if (place / "__init__.py").is_file() else place.with_name(place.name + ".py")
        if file.is_file():
            packages = (base.joinpath(*parts[:end], "__init__.py") for end in range(1, len(parts)))
            yield from ((base, path) for path in (*packages, file) if path.is_file())
            return


def _roots(file: Path, target: str) -> Sequence[Path]:
    """Folders that an absolute import may start from, nearest first."""
    name = target.split(".")[0]
    if name in sys.stdlib_module_names or name in ("torch", "numpy", "einops"):
        return ()
    top = import_root(file)
    if top.name in _INSTALLED:
        return [top] if name == file.relative_to(top).parts[0] else []
    nearest = list(file.parents)
    limit = next(
        (n for n, folder in enumerate(nearest) if any((folder / mark).exists() for mark in _REPOSITORY_MARKS)),
        max(_HIGHEST, nearest.index(top)),
    )
    return nearest[: limit + 1]
