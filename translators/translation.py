"""From a source to a translation: every module class either translated or refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from translators.diagnostics import Refusal, UserError
from translators.mining import MinedClass, mine_class
from translators.sources import Source

if TYPE_CHECKING:
    from translators.class_graph import Class
    from translators.closure import Closures


@dataclass(frozen=True)
class Translated:
    """A class that was emitted: its name in the emitted module at `path`."""

    qualified_name: str
    path: str


@dataclass(frozen=True)
class Translation:
    """Outcome of a source: `modules` maps relative paths to emitted text, `outcomes` every class to its fate."""

    source: Source
    classes: tuple[MinedClass, ...]
    modules: Mapping[str, str]
    outcomes: Mapping[str, Translated | Refusal]
    skipped_files: tuple[tuple[str, str], ...]


def translate_source(
    source: Source, *, others: Sequence[Source] = (), progress: Callable[[int, int], None] | None = None
) -> Translation:
    """Translate every module class of `source`; `others` are further sources that its imports may resolve to."""
    closures = _prepare((source, *others))
    return _translate(source, closures, _module_classes(source, closures), progress)


def translate_class(source: Source, name: str, *, others: Sequence[Source] = ()) -> Translation:
    """Translate one class, given by qualified or plain name, with its closure. Raises UserError if there is none."""
    closures = _prepared((source, *others))
    found = [cls for cls in _module_classes(source, closures) if name in (cls.unit.name, cls.unit.qualified_name)]
    if not found:
        raise UserError(f"{name}: no nn.Module class of that name in {source.name}; see: stats {source.name}")
    return _translate(source, closures, found, None)


def _prepare(sources: tuple[Source, ...]) -> Closures:
    """Index, class graph and rewriter of some sources."""
    # libcst takes a quarter of a second to import; programs that only load translated code do without it.
    from translators.class_graph import ClassGraph
    from translators.closure import Closures, keeps, names_in_use
    from translators.index import Index
    from translators.rewriting.rewriter import Rewriter

    index = Index(sources)
    classes = ClassGraph(index)
    return Closures(Rewriter(index, classes, partial(keeps, names_in_use(index, classes))), classes)


# Classes are asked for one by one; a whole source is not, and its syntax trees are large.
_prepared = lru_cache(maxsize=1)(_prepare)


def _module_classes(source: Source, closures: Closures) -> list[Class]:
    """Those of the files that are to be mined: not of what only surrounds them."""
    classes, mined = closures.classes, {file.path for file in source.files}
    own = [cls for cls in classes.classes.values() if cls.unit.module.source.spec == source.spec]
    return [cls for cls in own if cls.unit.module.file.path in mined and classes.is_module(cls)]


def _translate(
    source: Source, closures: Closures, classes: list[Class], progress: Callable[[int, int], None] | None
) -> Translation:
    refusals: dict[str, Refusal | None] = {}
    for number, cls in enumerate(classes):
        refusals[cls.unit.qualified_name] = closures.refusal(cls)
        if progress is not None:
            progress(number + 1, len(classes))
    modules, refused = _emit_allowed(closures, [c for c in classes if refusals[c.unit.qualified_name] is None])
    refusals.update(refused)
    records, outcomes = [], {}
    for cls in classes:
        name = cls.unit.qualified_name
        needed = {unit.qualified_name for unit in closures.units([cls.unit])} - {name}
        records.append(replace(mine_class(cls, closures.classes), closure=tuple(sorted(needed))))
        outcomes[name] = refusals[name] or Translated(name, cls.unit.module.file.emitted_path)
    return Translation(source, tuple(records), modules, outcomes, closures.classes.index.skipped)


def _emit_allowed(closures: Closures, translated: list[Class]) -> tuple[dict[str, str], dict[str, Refusal]]:
    """Emit the classes' closures. Units outside the allow-list are withdrawn, with the classes that reach them."""
    from translators.allowlist import check_allowed
    from translators.emission import emit_modules, unit_at

    check = lru_cache(maxsize=None)(check_allowed)
    refused: dict[str, Refusal] = {}
    needed = {cls: closures.units([cls.unit]) for cls in translated}
    while True:
        units = {unit for found in needed.values() for unit in found}
        modules = emit_modules(units, closures)
        violations = [(path, violation) for path, text in modules.items() for violation in check(text)]
        if not violations:
            return modules, refused
        for path, violation in violations:
            message = f"outside the allow-list: {violation.message}"
            unit = unit_at(path, modules[path], violation.line, units, closures)
            if not closures.withdraw(unit, message):  # the line belongs to no unit: the file as a whole goes
                for other in units:
                    if other.module.file.emitted_path == path:
                        closures.withdraw(other, message)
        for cls in list(needed):
            found = closures.refusal(cls)
            if found is not None:
                refused[cls.unit.qualified_name] = found
                del needed[cls]
            else:
                needed[cls] = closures.units([cls.unit])
