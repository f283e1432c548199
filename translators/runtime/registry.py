"""A table of classes by name, as packages build from it; entries are looked up when they are asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from translators.diagnostics import Refused


class later:
    """The emitted module at `path`, relative to the one called `name`, loaded when something is first taken from it.

    What a registry builds is built from it in turn: no order of imports would do.
    """

    def __init__(self, name: str, path: str):
        self._place = (path, name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(importlib.import_module(*self._place), name)


class Registry:
    """What `X = Registry(...)` of a translated source becomes: `entries` maps names to functions that give the class.

    A name that is not there is looked for in `parent`. A name may carry a scope: "scope.name" and "scope::name".
    """

    def __init__(self, name: str, entries: Mapping[str, Callable[[], Any]], parent: Registry | None = None):
        self.name = name
        self.scope = name
        self.parent = parent
        self._entries = entries

    def get(self, key: str) -> Any:
        """The class registered under `key`; None where there is none."""
        for name in (key, key.rpartition("::")[2], key.rpartition(".")[2]):
            if name in self._entries:
                return self._entries[name]()
        return self.parent.get(key) if self.parent is not None else None

    def build(self, cfg: Any, *args: Any, default_args: Mapping[str, Any] | None = None, **kwargs: Any) -> Any:
        """An instance of the class that `cfg["type"]` names or is, made with the rest; a list is a sequence."""
        if isinstance(cfg, (list, tuple)):
            from translators.runtime.nn import Sequential

            return Sequential(*(self.build(item, *args, default_args=default_args, **kwargs) for item in cfg))
        arguments = {**(default_args or {}), **kwargs, **cfg}
        kind = arguments.pop("type")
        arguments.pop("_scope_", None)
        return (self[kind] if isinstance(kind, str) else kind)(*args, **arguments)

    def __getitem__(self, key: str) -> Any:
        found = self.get(key)
        if found is None:
            raise KeyError(f"{key} is not in the registry {self.name}")
        return found

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key) is not None

    def __call__(self, key: str, *args: Any, **kwargs: Any) -> Any:
        return self[key](*args, **kwargs)

    def switch_scope_and_registry(self, scope: str | None) -> Registry:
        """A context in which the registry of `scope` is used: there is one."""
        return self

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Refused("R14", f"attribute {name} of the registry {self.name}")
