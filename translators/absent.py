"""Stand-ins for absent packages that an original imports: importing them works, using them raises."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import MutableSequence, Sequence
from types import ModuleType
from typing import Any, NoReturn


def import_original(name: str) -> ModuleType:
    """Import a module; packages that it cannot do without and that are absent are replaced by stand-ins.

    Only what raised stands in, so that optional imports stay as the original handles them.
    """
    while True:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            package = (error.name or "").split(".")[0]
            if not package or package == name.split(".")[0] or package in _finder.packages or _is_there(package):
                raise
            if _finder not in sys.meta_path:
                sys.meta_path.append(_finder)
            _finder.packages.add(package)


def _is_there(package: str) -> bool:
    return package in sys.modules or importlib.util.find_spec(package) is not None


class _Used(type):
    """What a stand-in module yields: a class to derive from and to annotate with, that cannot be called."""

    def __call__(cls, *args: Any, **kwargs: Any) -> NoReturn:
        raise ModuleNotFoundError(f"{cls.__module__}.{cls.__name__} is used, and {cls.__module__} is not installed")

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Used(name, (), {"__module__": f"{cls.__module__}.{cls.__name__}"})


class _Absent(ModuleType):
    __path__: MutableSequence[str] = []  # noqa: RUF012  import looks for it
    __all__: Sequence[str] = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Used(name, (), {"__module__": self.__name__})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self) -> None:
        self.packages: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.split(".")[0] not in self.packages:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Absent(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


_finder = _Finder()
