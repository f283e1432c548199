"""From a source to a translation: every module class either translated or refused.

What a class takes from a package that is no source of the translation is looked for among the installed packages, which
are read like any other source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from translators.diagnostics import Refusal, UserError
from translators.limits import LimitExceeded, collecting_rarely, limited
from translators.mining import MinedClass, mine_class
from translators.sources import Source, open_source

if TYPE_CHECKING:
    from translators.class_graph import Class
    from translators.closure import Closures
    from translators.factories import Factory
    from translators.index import Unit

    Made = tuple[Factory, list[Class]]


@dataclass(frozen=True)
class Translated:
    """A class or model factory that was emitted: its name in the emitted module at `path`."""

    qualified_name: str
    path: str


@dataclass(frozen=True)
class Translation:
    """Outcome of a source: `modules` maps relative paths to emitted text, `outcomes` every class to its fate (or the
    one factory that was asked for); `installed` what was looked for among the installed packages (see
    `installed_hash`)."""

    source: Source
    classes: tuple[MinedClass, ...]
    modules: Mapping[str, str]
    outcomes: Mapping[str, Translated | Refusal]
    skipped_files: tuple[tuple[str, str], ...]
    factories: tuple[Factory, ...] = ()
    installed: Mapping[str, str] = field(default_factory=dict)


@collecting_rarely()
def translate_source(
    source: Source,
    *,
    others: Sequence[Source] = (),
    progress: Callable[[int, int], None] | None = None,
    cache: Path | None = None,
) -> Translation:
    """Translate every module class of `source`; `others` are further sources that its imports may resolve to.

    `cache` is a folder that keeps what was rewritten, for as long as nothing changes that it depends on.
    """

    def roots(closures: Closures) -> tuple[list[Class], dict[Unit, Made]]:
        return _module_classes(source, closures), _factories(source, closures)

    closures, installed = _completed((source, *others), partial(prepare, cache=cache), roots)
    translation = _translate(source, closures, *roots(closures), progress)
    if closures.rewriter.store is not None:
        closures.rewriter.store.flush()
    return replace(translation, classes=_described(translation.classes, closures), installed=installed)


def _described(mined: Sequence[MinedClass], closures: Closures) -> tuple[MinedClass, ...]:
    """The records with what the sources say about the arguments."""
    from translators.usage import Usage

    usage = Usage(closures.classes)
    classes = {unit.qualified_name: cls for unit, cls in closures.classes.classes.items()}
    return tuple(usage.describe(classes[record.qualified_name], record) for record in mined)


@collecting_rarely()
def translate_class(source: Source, name: str, *, others: Sequence[Source] = ()) -> Translation:
    """Translate one class or model factory, given by qualified or plain name, with its closure. Raises UserError."""

    def roots(closures: Closures) -> tuple[list[Class], dict[Unit, Made]]:
        found = [cls for cls in _module_classes(source, closures) if _is_called(cls.unit, name)]
        makers = {} if found else _factories(source, closures)
        return found, {unit: made for unit, made in makers.items() if _is_called(unit, name)}

    closures, installed = _completed((source, *others), _prepared, roots)
    found, factories = roots(closures)
    if not found and not factories:
        raise UserError(
            f"{name}: no nn.Module class or model factory of that name in {source.name}; see: stats {source.name}"
        )
    return replace(_translate(source, closures, found, factories, None), installed=installed)


def _completed(
    sources: tuple[Source, ...],
    prepare: Callable[[tuple[Source, ...]], Closures],
    roots: Callable[[Closures], tuple[list[Class], dict[Unit, Made]]],
) -> tuple[Closures, dict[str, str]]:
    """Closures over the sources and over the installed packages that what the roots reach takes something from, and
    the hashes of the packages that were looked for."""
    from translators.warming import warm

    asked: set[str] = set()
    while True:
        closures = prepare(sources)
        if closures.rewriter.store is not None:
            warm(sources, closures)
        classes, factories = roots(closures)
        reached = closures.units([*(cls.unit for cls in classes), *factories])
        absent = {name.partition(".")[0] for unit in reached for name in closures.third_party(unit)}
        asked |= absent
        found = [package for name in sorted(absent) if (package := _installed(name)) and package not in sources]
        if not found:
            return closures, {name: installed_hash(name) for name in sorted(asked)}
        sources = (*sources, *found)


def installed_hash(name: str) -> str:
    """Hash of the installed package that completes a translation; "" where none of the name does."""
    package = _installed(name)
    return "" if package is None else package.sha256


@lru_cache
def _installed(name: str) -> Source | None:
    """The source of an installed package that has modules; others have nothing to translate."""
    try:
        source = open_source(name)
    except UserError:
        return None
    return source if any("nn.Module" in file.text for file in source.files) else None


def prepare(sources: tuple[Source, ...], cache: Path | None = None) -> Closures:
    """Index, class graph and rewriter of some sources; `cache` keeps what is rewritten."""
    # libcst takes a quarter of a second to import; programs that only load translated code do without it.
    from translators.class_graph import ClassGraph
    from translators.closure import Closures, keeps, names_in_use
    from translators.index import Index
    from translators.rewriting.rewriter import Rewriter
    from translators.rewriting.store import Store

    index = Index(sources)
    classes = ClassGraph(index)
    used = names_in_use(index, classes)
    store = Store(cache, index, {"used": used, "methods": classes.method_names}) if cache is not None else None
    return Closures(Rewriter(index, classes, partial(keeps, used), store), classes)


# Classes are asked for one by one; a whole source is not, and its syntax trees are large.
# Two: without and with what it takes from installed packages.
_prepared = lru_cache(maxsize=2)(prepare)


def _module_classes(source: Source, closures: Closures) -> list[Class]:
    """Those of the files that are to be mined: not of what only surrounds them."""
    classes, mined = closures.classes, {file.path for file in source.files}
    own = [cls for cls in classes.classes.values() if cls.unit.module.source.spec == source.spec]
    return [cls for cls in own if cls.unit.module.file.path in mined and classes.is_module(cls)]


def _is_called(unit: Unit, name: str) -> bool:
    return name in (unit.name, unit.qualified_name)


def _factories(source: Source, closures: Closures) -> dict[Unit, Made]:
    from translators.factories import find_factories

    return find_factories(closures.classes, frozenset(file.path for file in source.files), source.spec)


def _translate(
    source: Source,
    closures: Closures,
    classes: list[Class],
    factories: Mapping[Unit, Made],
    progress: Callable[[int, int], None] | None,
) -> Translation:
    roots: dict[Unit, list[Class]] = {cls.unit: [] for cls in classes}
    roots |= {unit: made for unit, (_, made) in factories.items()}
    refusals: dict[Unit, Refusal | None] = {}
    for number, (unit, made) in enumerate(roots.items()):
        refusals[unit] = _limited_refusal(closures, unit, made)
        if progress is not None:
            progress(number + 1, len(roots))
    modules, refused = _emit_allowed(closures, {unit: made for unit, made in roots.items() if refusals[unit] is None})
    refusals.update(refused)
    records = []
    for cls in classes:
        needed = {unit.qualified_name for unit in closures.units([cls.unit])} - {cls.unit.qualified_name}
        records.append(replace(mine_class(cls, closures.classes), closure=tuple(sorted(needed))))
    asked = [cls.unit for cls in classes] or list(factories)
    outcomes = {
        unit.qualified_name: refusals[unit] or Translated(unit.qualified_name, unit.module.file.emitted_path)
        for unit in asked
    }
    made_by = tuple(replace(factory, refusal=refusals[unit]) for unit, (factory, _) in factories.items())
    return Translation(source, tuple(records), modules, outcomes, closures.classes.index.skipped, made_by)


def _limited_refusal(closures: Closures, unit: Unit, made: Sequence[Class]) -> Refusal | None:
    """The refusal of a root; also of one that takes too much time or memory."""
    from translators.rewriting.refusals import refusal

    try:
        with limited():
            return closures.refusal(unit, made)
    except LimitExceeded as error:
        message = f"{unit.name} {error} to translate"
        closures.withdraw(unit, message)
        return refusal(unit.module, unit.node, "R15", "", unit.name, message)


def _emit_allowed(
    closures: Closures, translated: Mapping[Unit, list[Class]]
) -> tuple[dict[str, str], dict[Unit, Refusal]]:
    """Emit the roots' closures. Units outside the allow-list are withdrawn, with the roots that reach them."""
    from translators.allowlist import check_allowed
    from translators.emission import emit_modules, unit_at

    check = lru_cache(maxsize=None)(check_allowed)
    refused: dict[Unit, Refusal] = {}
    needed = {unit: closures.units([unit]) for unit in translated}
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
        for root in list(needed):
            failure = closures.refusal(root, translated[root])
            if failure is not None:
                refused[root] = failure
                del needed[root]
            else:
                needed[root] = closures.units([root])
