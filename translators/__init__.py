"""PyTorch source to Flax source, without importing or running the source. Knows nothing of jnas."""

from translators.diagnostics import Refusal, Refused, UserError
from translators.loading import load_class, load_object
from translators.mining import Argument, MinedClass, Provenance
from translators.sources import Source, SourceFile, open_source
from translators.translation import Translated, Translation, translate_class, translate_source

__all__ = [
    "Argument",
    "MinedClass",
    "Provenance",
    "Refusal",
    "Refused",
    "Source",
    "SourceFile",
    "Translated",
    "Translation",
    "UserError",
    "load_class",
    "load_object",
    "open_source",
    "translate_class",
    "translate_source",
]
