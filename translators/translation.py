"""From a source to a translation: every module class either translated or refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from translators.diagnostics import Refusal
from translators.mining import MinedClass
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
    return Translation(source, (), {}, {}, source.skipped)


def translate_class(source: Source, name: str, *, others: Sequence[Source] = ()) -> Translation:
    """Translate one class, given by qualified or plain name, with its closure. Raises UserError if there is none."""
    return translate_source(source, others=others)
