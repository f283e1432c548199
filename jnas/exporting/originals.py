"""PyTorch classes cut out of the sources that they were mined from: modules with plain imports, and nothing unused.

Names are resolved as for translation (relative, star and conditional imports, re-exports); nothing is imported or run.
"""

from __future__ import annotations

import ast
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from translators.diagnostics import UserError
from translators.index import Index, Module, Symbol, Unit, imported_names
from translators.linking import global_names
from translators.sources import Source

AVAILABLE = ("torch", "numpy", "einops")  # besides the standard library; of other packages nothing is reached


@dataclass
class _Written:
    """A module as it grows: what it imports, and the text of its statements by their order in the source."""

    module: Module
    imports: dict[str, str] = field(default_factory=dict)  # local name -> statement
    statements: dict[int, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        parts = [*self.imports.values(), *(self.statements[order] for order in sorted(self.statements))]
        return "from __future__ import annotations\n" + "\n\n".join(parts) + "\n"


class Originals:
    """Definitions of some sources."""

    def __init__(self, sources: Sequence[Source]):
        self._index = Index(sources)

    def sha256(self, module: str) -> str:
        """Of the file of a module; empty where no source has it."""
        found = self._index.modules.get(module)
        return "" if found is None else found.file.sha256

    def modules(self, names: Iterable[str]) -> dict[str, str]:
        """Path -> text of modules with the classes and functions `names` ("package.module.Class") and all that these
        use, each module with what is needed of it. Raises UserError where a source lacks a name."""
        written: dict[str, _Written] = {}
        done: set[Unit] = set()
        waiting = [unit for name in names for unit in self._units(name)]
        while waiting:
            unit = waiting.pop()
            if unit not in done:
                done.add(unit)
                there = written.setdefault(unit.module.name, _Written(unit.module))
                waiting += self._write(unit, there)
        return {there.module.file.emitted_path: there.text for there in written.values()}

    def _units(self, name: str) -> tuple[Unit, ...]:
        found = self._index.qualified(name)
        if found.kind != "unit" or found.rest:
            raise UserError(f"{name}: not in the given sources; name the source that it was mined from")
        return found.units

    def _write(self, unit: Unit, there: _Written) -> list[Unit]:
        """Adds a statement and the imports for its names to its module; the units that it uses."""
        text, nested = self._without_imports(_text(unit), unit.module)
        statement = ast.parse(text).body[0]
        parents = {id(child): parent for parent in ast.walk(statement) for child in ast.iter_child_nodes(parent)}
        own = {
            node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        needed: list[Unit] = []
        patches: list[tuple[ast.expr, str]] = []
        for use in global_names(statement):
            expression: ast.expr = use
            found = nested.get(use.id) or self._index.resolve(unit.module, use.id)
            while found.kind == "module" and isinstance(parent := parents[id(expression)], ast.Attribute):
                found = self._index.qualified(f"{found.name}.{parent.attr}")
                expression = parent
            if found.kind == "unit":
                needed += found.units
                home, _, name = found.name.rpartition(".")
                local = name if expression is not use else use.id
                if home == unit.module.name and local == name:
                    if expression is not use:
                        patches.append((expression, name))
                    continue
                if expression is not use:
                    local = f"{home.replace('.', '_')}_{name}"
                    patches.append((expression, local))
                there.imports[local] = f"from {home} import {name} as {local}"
            elif (
                found.kind != "builtin"
                and use.id not in own
                and not (use.id.startswith("__") and use.id.endswith("__"))
            ):
                there.imports[use.id] = self._foreign(unit.module, use.id, found, use.id in nested)
                if expression is not use:
                    patches.append((expression, use.id))
        there.statements[unit.order] = _patched(text, patches)
        return needed

    def _without_imports(self, text: str, module: Module) -> tuple[str, dict[str, Symbol]]:
        """The text with imports of the sources inside functions replaced by `pass`, and what they bind."""
        lines, nested = text.split("\n"), dict[str, Symbol]()
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, (ast.Import, ast.ImportFrom)):
                continue
            bound = {
                local: self._index.qualified(target) for local, target in imported_names(self._index, module, node)
            }
            if any(symbol.kind in ("unit", "module") for symbol in bound.values()):
                nested |= bound
                lines[node.lineno - 1] = lines[node.lineno - 1][: node.col_offset] + "pass"
                lines[node.lineno : node.end_lineno] = [""] * ((node.end_lineno or node.lineno) - node.lineno)
        return "\n".join(lines), nested

    def _foreign(self, module: Module, local: str, found: Symbol, nested: bool) -> str:
        """The import of a foreign name; what no export has stands for None, as it is not reached."""
        bound = module.bindings.get(local)
        target = bound if isinstance(bound, str) and not nested and _is_available(bound) else found.name
        if found.kind != "foreign" or not _is_available(target):
            return f"{local} = None  # {target}: not used by this network"
        package, _, name = target.rpartition(".")
        if package:
            return f"from {package} import {name} as {local}"
        return f"import {target}" if target == local else f"import {target} as {local}"


def _is_available(name: str) -> bool:
    root = name.split(".")[0]
    return root in AVAILABLE or root in sys.stdlib_module_names


def _text(unit: Unit) -> str:
    """The statement with the comments above it, unindented."""
    lines, first = unit.module.lines, unit.first_line
    while first > 1 and lines[first - 2].lstrip().startswith("#"):
        first -= 1
    return textwrap.dedent("\n".join(lines[first - 1 : unit.last_line])).rstrip()


def _patched(text: str, patches: Sequence[tuple[ast.expr, str]]) -> str:
    """The text with expressions of one line each replaced."""
    lines = [line.encode() for line in text.split("\n")]
    for node, new in sorted(patches, key=lambda patch: (patch[0].lineno, patch[0].col_offset), reverse=True):
        old = lines[node.lineno - 1]
        lines[node.lineno - 1] = old[: node.col_offset] + new.encode() + old[node.end_col_offset :]
    return b"\n".join(lines).decode()
