"""Translated classes from a library folder: imported under a private package name, each file checked before it runs."""

from __future__ import annotations

import hashlib
import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from translators.allowlist import check_allowed
from translators.diagnostics import Refused, UserError

_PREFIX = "_translated_"


def load_object(folder: Path, qualified_name: str) -> Any:
    """The class, function or constant `package.module.name` from the emitted files in `folder`.

    Raises UserError when it is not there and Refused (R15) when a file is outside the allow-list.
    """
    module, _, name = qualified_name.rpartition(".")
    loaded = importlib.import_module(f"{_package(folder)}.{module}") if _is_there(folder, module) else None
    if not hasattr(loaded, name):
        raise UserError(f"{qualified_name}: not in {folder}; translate its source into that folder first")
    return getattr(loaded, name)


def load_class(folder: Path, qualified_name: str) -> type:
    """The class `package.module.Class`; see `load_object`. Raises UserError when it is none."""
    found = load_object(folder, qualified_name)
    if not isinstance(found, type):
        raise UserError(f"{qualified_name}: no class; give the qualified name of one")
    return found


def source_name(thing: Any) -> str | None:
    """The qualified name by which `load_object` finds a loaded class or function; None for what was not loaded so."""
    module, name = getattr(thing, "__module__", None) or "", getattr(thing, "__qualname__", "")
    package, _, path = module.partition(".")
    return f"{path}.{name}" if package.startswith(_PREFIX) and path else None


def _is_there(folder: Path, module: str) -> bool:
    path = folder.joinpath(*module.split("."))
    return bool(module) and (path.with_suffix(".py").is_file() or (path / "__init__.py").is_file())


def _package(folder: Path) -> str:
    """The private package whose submodules are the files of `folder`."""
    root = folder.resolve()
    name = _PREFIX + hashlib.sha256(str(root).encode()).hexdigest()[:16]
    if name not in sys.modules:
        package = ModuleType(name)
        package.__path__ = [str(root)]
        sys.modules[name] = package
        if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
            sys.meta_path.insert(0, _Finder())
    return name


class _Finder(importlib.abc.MetaPathFinder):
    """Finds `_translated_*.a.b` at a/b.py or a/b/__init__.py; a folder without the latter is an empty package."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith(_PREFIX) or not path:
            return None
        place = Path(path[0]) / fullname.rpartition(".")[2]
        if place.is_dir():
            spec = importlib.machinery.ModuleSpec(fullname, _CheckedLoader(place / "__init__.py"), is_package=True)
            spec.submodule_search_locations = [str(place)]
            return spec
        file = place.with_suffix(".py")
        return (
            importlib.machinery.ModuleSpec(fullname, _CheckedLoader(file), origin=str(file)) if file.is_file() else None
        )


class _CheckedLoader(importlib.abc.Loader):
    def __init__(self, file: Path):
        self.file = file

    def exec_module(self, module: ModuleType) -> None:
        text = self.file.read_text() if self.file.is_file() else ""
        violations = check_allowed(text)
        if violations:
            raise Refused("R15", f"{self.file}:{violations[0].line}: {violations[0].message}")
        exec(compile(text, str(self.file), "exec"), vars(module))
