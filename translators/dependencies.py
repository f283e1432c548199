"""Which modules of an index the meaning of a module's names can depend on."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator

from translators.index import Index, Module, imported_names

_IMPORT_INSIDE = re.compile(r"^[ \t]+(import|from)\s", re.MULTILINE)


class Dependencies:
    """Hashes of modules together with all that their names lead to."""

    def __init__(self, index: Index):
        self._index = index
        self._direct: dict[str, frozenset[str]] = {}
        # Which modules there are decides what an import finds; packages' own files hand names on.
        digest = hashlib.sha256()
        for name, module in sorted(index.modules.items()):
            digest.update(f"\0{name}\0{module.file.path}".encode())
            if module.file.is_package:
                digest.update(module.file.sha256.encode())
        self._layout = digest.hexdigest()

    def hash_of(self, module: Module) -> str:
        """Hash of everything that the module's names can mean."""
        reached = {module.name}
        queue = [module.name]
        while queue:
            for name in self._needed(self._index.modules[queue.pop()]) - reached:
                reached.add(name)
                queue.append(name)
        files = (self._index.modules[name].file.sha256 for name in sorted(reached))
        return hashlib.sha256("\0".join((self._layout, module.name, *files)).encode()).hexdigest()

    def _needed(self, module: Module) -> frozenset[str]:
        """Modules that an import of the module, at its top or in a function, takes something from."""
        if module.name not in self._direct:
            found = {name for target in self._targets(module) for name in self._behind(target, set())}
            self._direct[module.name] = frozenset(found)
        return self._direct[module.name]

    def _targets(self, module: Module) -> Iterator[str]:
        yield from (bound for bound in module.bindings.values() if isinstance(bound, str))
        yield from module.stars
        if module.file.is_package:  # it may use a module of its own by name alone
            below = (name for name in self._index.modules if name.rpartition(".")[0] == module.name)
            yield from (name for name in below if name.rpartition(".")[2] in module.file.text)
        if _IMPORT_INSIDE.search(module.file.text):
            for unit in module.units:
                for node in ast.walk(unit.node):
                    if isinstance(node, ast.Import | ast.ImportFrom):
                        yield from (target for _, target in imported_names(self._index, module, node))

    def _behind(self, target: str, seen: set[str]) -> Iterator[str]:
        """Modules that define what an absolute dotted name stands for, past packages that only hand it on."""
        parts = target.split(".")
        place = next((".".join(parts[:end]) for end in range(len(parts), 0, -1) if self._known(parts[:end])), None)
        if place is None or target in seen:
            return
        seen.add(target)
        module = self._index.modules[place]
        rest = parts[place.count(".") + 1 :]
        bound = module.bindings.get(rest[0]) if rest and module.file.is_package else None
        if isinstance(bound, str):
            yield from self._behind(bound, seen)
            return
        yield place
        if not rest and module.file.is_package:  # what is below it can be reached by attributes
            yield from (name for name in self._index.modules if name.startswith(place + "."))

    def _known(self, parts: list[str]) -> bool:
        return ".".join(parts) in self._index.modules
