"""Rewritten units on disk, one file per module: valid as long as nothing changed that the module's names lead to."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import translators
from translators.dependencies import Dependencies
from translators.diagnostics import Refusal
from translators.index import Index, Module, Unit
from translators.rewriting.unit import Call, Facts, Rewritten

_IDENTIFIER = re.compile(r"[^\W\d]\w*")


class Store:
    """Finds and keeps units of one index. `shared` are names whose meaning depends on all sources together."""

    def __init__(self, folder: Path, index: Index, shared: Mapping[str, frozenset[str]]):
        self.folder = folder
        self._index = index
        self._shared = shared
        self._dependencies = Dependencies(index)
        self._records: dict[str, dict[str, Any]] = {}
        self._changed: dict[str, Module] = {}
        self._file = cache(self._find_file)

    def has(self, module: Module) -> bool:
        """Whether something of the module was kept that still holds."""
        return self._file(module).is_file()

    def get(self, unit: Unit) -> Rewritten | None:
        """What was kept of the unit, if it still holds."""
        record = self._of(unit.module).get(str(unit.order))
        try:
            return self._decoded(unit, record) if record is not None else None
        except (KeyError, TypeError, IndexError, ValueError):
            return None

    def put(self, done: Rewritten) -> None:
        self._of(done.unit.module)[str(done.unit.order)] = _encoded(done)
        self._changed[done.unit.module.name] = done.unit.module

    def flush(self) -> None:
        """Write what is new. A cache: what cannot be written is made again."""
        for name, module in self._changed.items():
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                handle, temporary = tempfile.mkstemp(dir=self.folder)
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump(self._records[name], file)
                os.replace(temporary, self._file(module))
            except OSError:
                return
        self._changed.clear()

    def _of(self, module: Module) -> dict[str, Any]:
        if module.name not in self._records:
            try:
                found = json.loads(self._file(module).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                found = None
            self._records[module.name] = found if isinstance(found, dict) else {}
        return self._records[module.name]

    def _find_file(self, module: Module) -> Path:
        used = set(_IDENTIFIER.findall(module.file.text))
        shared = {kind: sorted(used & names) for kind, names in self._shared.items()}
        parts = (code_hash(), self._dependencies.hash_of(module), json.dumps(shared, sort_keys=True))
        return self.folder / f"{hashlib.sha256(''.join(parts).encode()).hexdigest()}.json"

    def _unit(self, place: list[Any]) -> Unit:
        return self._index.modules[place[0]].units[place[1]]

    def _decoded(self, unit: Unit, record: Mapping[str, Any]) -> Rewritten:
        facts = {
            name: Facts(
                [Refusal(**found) for found in fact["refusals"]],
                [Call(on, called, self._unit(place) if place else None) for on, called, place in fact["calls"]],
            )
            for name, fact in record["facts"].items()
        }
        return Rewritten(
            unit,
            record["text"],
            {local: (self._unit(place), name) for local, (place, name) in record["imports"].items()},
            {local: self._index.modules[name] for local, name in record["modules"].items()},
            record["namespaces"],
            {self._unit(place) for place in record["references"]},
            {self._unit(place) for place in record["eager"]},
            facts,
            [Refusal(**found) for found in record["later"]],
            Refusal(**record["failure"]) if record["failure"] else None,
        )


def _encoded(done: Rewritten) -> dict[str, Any]:
    return {
        "text": done.text,
        "imports": {local: [_place(unit), name] for local, (unit, name) in done.imports.items()},
        "modules": {local: module.name for local, module in done.modules.items()},
        "namespaces": dict(done.namespaces),
        "references": sorted(_place(unit) for unit in done.references),
        "eager": sorted(_place(unit) for unit in done.eager),
        "facts": {
            name: {
                "refusals": [asdict(found) for found in fact.refusals],
                "calls": [[call.on, call.name, _place(call.unit) if call.unit else None] for call in fact.calls],
            }
            for name, fact in done.facts.items()
        },
        "later": [asdict(found) for found in done.later],
        "failure": asdict(done.failure) if done.failure else None,
    }


def _place(unit: Unit) -> list[Any]:
    return [unit.module.name, unit.order]


@cache
def code_hash() -> str:
    """Hash of the code that translates and of the runtime whose names it writes."""
    digest = hashlib.sha256()
    folder = Path(translators.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"\0{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()
