"""From a source to a translation: every module class either translated or refused."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from translators.diagnostics import Refusal, UserError
from translators.mining import MinedClass, mine_class
from translators.sources import Source


@dataclass(frozen=True)
class Translated:
    """A class that was emitted: its name in the emitted module at `path`."""

    qualified_name: str
    path: str


@dataclass(frozen=True)
class Translation:
    """Outcome of a source: `modules` maps relative paths to emitted text, `outcomes` every class to what became of it."""

    source: Source
    classes: tuple[MinedClass, ...]
    modules: Mapping[str, str]
    outcomes: Mapping[str, Translated | Refusal]
    skipped_files: tuple[tuple[str, str], ...]


def translate_source(
    source: Source, *, others: Sequence[Source] = (), progress: Callable[[int, int], None] | None = None
) -> Translation:
    """Translate every module class of `source`; `others` are further sources that its imports may resolve to."""
    return _translate(source, others, None, progress)


def translate_class(source: Source, name: str, *, others: Sequence[Source] = ()) -> Translation:
    """Translate one class, given by qualified or plain name, with its closure. Raises UserError if there is none."""
    return _translate(source, others, name, None)


def _translate(
    source: Source, others: Sequence[Source], only: str | None, progress: Callable[[int, int], None] | None
) -> Translation:
    closures = _closures((source, *others))
    classes = closures.classes
    mined = [cls for cls in classes.classes.values() if cls.unit.module.source == source and classes.is_module(cls)]
    if only is not None:
        mined = [cls for cls in mined if only in (cls.unit.name, cls.unit.qualified_name)]
        if not mined:
            raise UserError(f"{only}: no nn.Module class of that name in {source.name}; list them with: stats {source.name}")
    refusals: dict[str, Refusal | None] = {}
    for number, cls in enumerate(mined):
        refusals[cls.unit.qualified_name] = closures.refusal(cls)
        if progress is not None:
            progress(number + 1, len(mined))
    translated = [cls for cls in mined if refusals[cls.unit.qualified_name] is None]
    modules, refused = _emit_allowed(closures, translated)
    refusals.update(refused)
    records, outcomes = [], {}
    for cls in mined:
        name = cls.unit.qualified_name
        found = refusals[name]
        names = tuple(sorted({unit.qualified_name for unit in closures.units([cls.unit])} - {name}))
        records.append(replace(mine_class(cls, classes), closure=names))
        outcomes[name] = found or Translated(name, cls.unit.module.file.path)
    skipped = (*source.skipped, *(entry for other in others for entry in other.skipped), *closures.rewriter.index.skipped)
    return Translation(source, tuple(records), modules, outcomes, skipped)


@lru_cache(maxsize=1)
def _closures(sources: tuple[Source, ...]):  # type: ignore[no-untyped-def]
    """The closures of the classes of some sources, kept because classes are often asked for one by one."""
    classes, closures = _prepared((source, *others))
    mined = [cls for cls in classes.classes.values() if cls.unit.module.source == source and classes.is_module(cls)]
    if only is not None:
        mined = [cls for cls in mined if only in (cls.unit.name, cls.unit.qualified_name)]
        if not mined:
            raise UserError(f"{only}: no nn.Module class of that name in {source.name}; list them with: stats {source.name}")
    refusals: dict[str, Refusal | None] = {}
    for number, cls in enumerate(mined):
        refusals[cls.unit.qualified_name] = closures.refusal(cls)
        if progress is not None:
            progress(number + 1, len(mined))
    translated = [cls for cls in mined if refusals[cls.unit.qualified_name] is None]
    modules, refused = _emit_allowed(closures, translated)
    refusals.update(refused)
    records, outcomes = [], {}
    for cls in mined:
        name = cls.unit.qualified_name
        found = refusals[name]
        names = tuple(sorted({unit.qualified_name for unit in closures.units([cls.unit])} - {name}))
        records.append(replace(mine_class(cls, classes), closure=names))
        outcomes[name] = found or Translated(name, cls.unit.module.file.path)
    skipped = (*source.skipped, *(entry for other in others for entry in other.skipped), *closures.rewriter.index.skipped)
    return Translation(source, tuple(records), modules, outcomes, skipped)


@lru_cache(maxsize=1)
def _closures(sources: tuple[Source, ...]):  # type: ignore[no-untyped-def]
    """The closures of the classes of some sources, kept because classes are often asked for one by one."""
    # libcst takes a quarter of a second to import; programs that only load translated code do without it.
    from translators.class_graph import ClassGraph
    from translators.closure import Closures, keeps, names_in_use
    from translators.index import Index
    from translators.rewriting.rewriter import Rewriter

    index = Index(sources)
    classes = ClassGraph(index)
    return Closures(Rewriter(index, classes, partial(keeps, names_in_use(index, classes))), classes)


@functools.lru_cache(maxsize=2)
def _prepared(sources: tuple[Source, ...]) -> tuple[ClassGraph, Closures]:
    """Index, class graph and rewriter of the sources, kept because one class after the other is asked of them."""
    # libcst takes a quarter of a second to import; programs that only load translated code do without it.
    from translators.class_graph import ClassGraph
    from translators.closure import Closures, keeps, names_in_use
    from translators.index import Index
    from translators.rewriting.rewriter import Rewriter

    index = Index(sources)
    classes = ClassGraph(index)
    used = names_in_use(index, classes)
    return classes, Closures(Rewriter(index, classes, functools.partial(keeps, used)), classes)


def _emit_allowed(closures: Closures, translated: list[Class]) -> tuple[dict[str, str], dict[str, Refusal]]:
    """Emit the closures of the classes. Units outside the allow-list are withdrawn, with the classes that reach them."""
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
            if not closures.rewriter.withdraw(unit, message):  # the line belongs to no unit: the file as a whole goes
                for other in units:
                    if other.module.file.path == path:
                        closures.rewriter.withdraw(other, message)
        for cls in list(needed):
            found = closures.refusal(cls)
            if found is not None:
                refused[cls.unit.qualified_name] = found
                del needed[cls]
            else:
                needed[cls] = closures.units([cls.unit])
