"""Emitted files: each source module once, and one class with all it needs in a single standalone file."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from translators.closure import Closures
from translators.diagnostics import UserError
from translators.factories import Factory
from translators.index import Module, Unit
from translators.linking import dotted, link
from translators.mining import MinedClass, Provenance
from translators.rewriting.refusals import call_text
from translators.rewriting.unit import Rewritten
from translators.translation import Translated, Translation

_RUNTIME = "translators.runtime."
_SUPPORT = "translators.runtime.support."


def standalone(translation: Translation, qualified_name: str) -> str:
    """One file that holds a translated class or factory with all it needs and imports only the runtime and plain
    libraries.

    Raises UserError when it was not translated.
    """
    outcome = translation.outcomes.get(qualified_name)
    if not isinstance(outcome, Translated):
        reason = outcome.code if outcome is not None else "no such class"
        raise UserError(f"{qualified_name}: not translated ({reason}); give one of the translated classes")
    records: tuple[MinedClass | Factory, ...] = (*translation.classes, *translation.factories)
    record = next(record for record in records if record.qualified_name == qualified_name)
    if isinstance(record, MinedClass):
        modules = {name.rpartition(".")[0] for name in record.closure} - {record.module}
    else:
        modules = {dotted(path) for path in translation.modules} - {qualified_name.rpartition(".")[0]}
    return _standalone_header(record.provenance, sorted(modules)) + link(translation.modules, [qualified_name]).text


def emit_modules(units: Iterable[Unit], closures: Closures) -> dict[str, str]:
    """Path -> text of every module that has one of `units`."""
    emitted = set(units)
    by_module: dict[Module, list[Unit]] = {}
    for unit in sorted(emitted, key=lambda unit: (unit.module.file.emitted_path, unit.order)):
        by_module.setdefault(unit.module, []).append(unit)
    needs = {module: _needs(module, found, emitted, closures) for module, found in by_module.items()}
    circles = _circles(
        {
            module: {unit.module for unit, _ in needs[module].values()}
            | set(_module_needs(found, emitted, closures).values())
            for module, found in by_module.items()
        }
    )
    return {
        module.file.emitted_path: _emit(module, found, emitted, needs[module], circles, closures)
        for module, found in by_module.items()
    }


def unit_at(path: str, text: str, line: int, units: Iterable[Unit], closures: Closures) -> Unit:
    """The unit that an emitted line belongs to; for a line of the imports the first unit of the file."""
    here = sorted((unit for unit in units if unit.module.file.emitted_path == path), key=lambda unit: unit.order)
    found, position, emitted = here[0], 0, set(units)
    for unit in here:
        position = text.find(_text(unit, emitted, closures)[0], position)
        if position < 0 or text.count("\n", 0, position) + 1 > line:
            break
        found = unit
    return found


def _needs(module: Module, units: list[Unit], emitted: set[Unit], closures: Closures) -> dict[str, tuple[Unit, str]]:
    """Local name -> (unit of another module, its name there), for what the emitted units use."""
    return {
        local: target
        for unit in units
        if closures.failure(unit) is None
        for local, target in closures.rewriter.rewrite(unit).imports.items()
        if target[0].module is not module and target[0] in emitted
    }


def _module_needs(units: list[Unit], emitted: set[Unit], closures: Closures) -> dict[str, Module]:
    """Local name -> module of the sources, for those that the emitted units import as modules."""
    there = {unit.module for unit in emitted}
    whole = [closures.rewriter.rewrite(unit) for unit in units if closures.failure(unit) is None]
    used = [rewritten.modules for rewritten in whole if rewritten.entries is None]
    return {local: module for modules in used for local, module in modules.items() if module in there}


def _emit(
    module: Module,
    units: list[Unit],
    emitted: set[Unit],
    needs: Mapping[str, tuple[Unit, str]],
    circles: Mapping[Module, int],
    closures: Closures,
) -> str:
    rewritten = {unit: closures.rewriter.rewrite(unit) for unit in units}
    eager = {needed for unit in units for needed in rewritten[unit].eager}
    top: dict[str, list[str]] = {}
    bottom: dict[str, list[str]] = {}
    for local, target in sorted(_module_needs(units, emitted, closures).items()):
        package, _, name = target.name.rpartition(".")
        place = bottom if circles.get(target) == circles[module] else top
        place.setdefault(_relative(module.package, package), []).append(name if name == local else f"{name} as {local}")
    for local, (unit, name) in needs.items():
        # Modules that need each other when running only: the import waits until this one is complete.
        late = circles[unit.module] == circles[module] and unit not in eager
        spelled = name if name == local else f"{name} as {local}"
        (bottom if late else top).setdefault(_relative(module.package, unit.module.name), []).append(spelled)
    namespaces: dict[str, str] = {}
    texts = []
    for unit in units:
        text, used = _text(unit, emitted, closures)
        texts.append((unit, text))
        namespaces.update(used)
    imports = (_foreign_imports(namespaces) + _source_imports(top)).strip("\n")
    parts = [_header(module, units), imports, *_joined(texts)]
    if bottom:
        parts.append(_source_imports(bottom, "  # noqa: E402"))
    return "\n\n".join(part.rstrip("\n") for part in parts if part.strip("\n")) + "\n"


def _joined(texts: list[tuple[Unit, str]]) -> list[str]:
    """Definitions stand two empty lines apart, constants that follow each other one line apart at most."""
    parts: list[str] = []
    previous = "class"
    for unit, text in texts:
        if unit.kind in ("class", "function") or previous in ("class", "function") or not parts:
            large = unit.kind in ("class", "function") or (bool(parts) and previous in ("class", "function"))
            parts.append("\n" + text if large else text)
        else:
            parts[-1] += "\n" + text
        previous = unit.kind
    return parts


def _text(unit: Unit, emitted: set[Unit], closures: Closures) -> tuple[str, dict[str, str]]:
    failure, rewritten = closures.failure(unit), closures.rewriter.rewrite(unit)
    if failure is None and rewritten.entries is not None:
        return _registry_text(rewritten, emitted)
    if failure is None:
        return rewritten.text, rewritten.namespaces
    stand_ins = [f"{name} = {call_text(failure, 'unsupported')}" for name in unit.names]
    return "\n".join(stand_ins), {"unsupported": f"{_SUPPORT}unsupported"}


def _header(module: Module, units: list[Unit]) -> str:
    source = module.source
    origin = " ".join(part for part in (source.name, source.version) if part)
    licence = f", licence {source.licence}" if source.licence else ""
    return (
        f'"""Translated from {_plain(origin)}, {_plain(_place(module, units) + licence)}.\n\n'
        f'Source sha256 {module.file.sha256}.\n"""\n'
    )


def _registry_text(rewritten: Rewritten, emitted: set[Unit]) -> tuple[str, dict[str, str]]:
    """A registry with those of its entries that are emitted too."""
    assert rewritten.entries is not None
    entries = {
        name: expression for name, (unit, expression) in rewritten.entries.items() if not unit or unit in emitted
    }
    lines = "".join(f"        {name!r}: lambda: {expression},\n" for name, expression in sorted(entries.items()))
    text = rewritten.text.replace("{}", f"{{\n{lines}    }}" if lines else "{}")
    loaded = {expression.partition(".")[0] for expression in entries.values()} & rewritten.modules.keys()
    here = rewritten.unit.module.name
    later = [
        f'{local} = later(__name__, "{_relative(here, rewritten.modules[local].name)}")' for local in sorted(loaded)
    ]
    namespaces = rewritten.namespaces | ({"later": f"{_SUPPORT}later"} if later else {})
    return "\n".join([*later, text]), namespaces


def _standalone_header(origin: Provenance, modules: Sequence[str]) -> str:
    licence = f", licence {origin.licence}" if origin.licence else ""
    place = f"{origin.path}, lines {origin.lines[0]}-{origin.lines[1]}{licence}"
    title = f'"""Translated from {_plain(f"{origin.package} {origin.version}".strip())}, {_plain(place)}.\n\n'
    others = textwrap.fill(f"With definitions of {', '.join(modules)}.", 120, break_long_words=False) + "\n"
    return f'{title}{others if modules else ""}Source sha256 {origin.sha256}.\n"""\n\n'


def _place(module: Module, units: list[Unit]) -> str:
    path, first = module.file.position(min(unit.first_line for unit in units))
    end, last = module.file.position(max(unit.last_line for unit in units))
    return f"{path}, lines {first}-{last}" if path == end else f"{path} line {first} to {end} line {last}"


def _plain(text: str) -> str:
    return re.sub(r'[^ -~]|[\\"]', "", text)


def _foreign_imports(namespaces: Mapping[str, str]) -> str:
    """Imports of the standard library, NumPy and the runtime, sorted."""
    plain: list[str] = []
    grouped: dict[str, list[str]] = {}
    for local, target in sorted(namespaces.items()):
        module, _, name = target.rpartition(".")
        if target.startswith(_SUPPORT):
            grouped.setdefault(_SUPPORT[:-1], []).append(name)
        elif target.startswith(_RUNTIME):
            grouped.setdefault(_RUNTIME[:-1], []).append(name if name == local else f"{name} as {local}")
        elif module:
            grouped.setdefault(module, []).append(name if name == local else f"{name} as {local}")
        else:
            plain.append(f"import {target}" if target == local else f"import {target} as {local}")
    blocks: list[list[str]] = [[], [], []]
    for line in plain:
        blocks[1 if line.split()[1] == "numpy" else 0].append(line)
    for module, found in sorted(grouped.items()):
        rank = 2 if module.startswith("translators") else 1 if module == "numpy" else 0
        blocks[rank].append(f"from {module} import {', '.join(sorted(found))}")
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _source_imports(grouped: Mapping[str, list[str]], comment: str = "") -> str:
    lines = []
    for module, found in sorted(grouped.items()):
        line = f"from {module} import {', '.join(sorted(set(found)))}"
        if len(line) > 120:
            line = f"from {module} import (\n    " + ",\n    ".join(sorted(set(found))) + ",\n)"
        lines.append(line.replace("\n", comment + "\n", 1) if "\n" in line else line + comment)
    return "\n" + "\n".join(lines) + "\n" if lines else ""


def _relative(package: str, target: str) -> str:
    """The relative spelling of the module `target` in `package`; the root of all is the empty name."""
    here = package.split(".") if package else []
    there = target.split(".") if target else []
    shared = 0
    while shared < min(len(here), len(there)) and here[shared] == there[shared]:
        shared += 1
    if shared == len(there):
        return "." * (len(here) - shared + 1)
    return "." * (len(here) - shared + 1) + ".".join(there[shared:])


def _circles(graph: Mapping[Module, set[Module]]) -> dict[Module, int]:
    """The number of the strongly connected component of each module (Tarjan, without recursion)."""
    number: dict[Module, int] = {}
    low: dict[Module, int] = {}
    component: dict[Module, int] = {}
    stack: list[Module] = []
    for root in graph:
        work = [(root, iter(sorted(graph[root], key=lambda m: m.name)))] if root not in number else []
        if work:
            number[root] = low[root] = len(number)
            stack.append(root)
        while work:
            module, successors = work[-1]
            for successor in successors:
                if successor not in graph:
                    continue
                if successor not in number:
                    number[successor] = low[successor] = len(number)
                    stack.append(successor)
                    work.append((successor, iter(sorted(graph[successor], key=lambda m: m.name))))
                    break
                if successor not in component:
                    low[module] = min(low[module], number[successor])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[module])
                if low[module] == number[module]:
                    while module not in component:
                        component[stack.pop()] = number[module]
    return component
