"""Records of what a tree can only name with all its arguments: model factories, whole models, classes not executed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from jnas.library.block import Block, Parameter
from jnas.library.hypotheses import default_value, role_of
from translators import Argument, Refusal, Translation
from translators.diagnostics import UserError

MAKES = "makes"  # in the provenance of a factory: the classes whose instances it returns
MODEL = "model"  # in the provenance of a class: that it is a whole model


def unplaced(translation: Translation, known: Collection[str]) -> Iterator[Block]:
    """Blocks without a contract for every translated class that is not `known`, and for every translated factory."""
    arguments = {mined.qualified_name: mined.arguments for mined in translation.classes}
    for mined in translation.classes:
        name = mined.qualified_name
        if name not in known and not isinstance(translation.outcomes[name], Refusal):
            provenance = {**vars(mined.provenance), MODEL: mined.kind == "model"}
            yield _block(name, mined.arguments, mined.doc, provenance)
    for factory in translation.factories:
        if factory.refusal is None:
            forwarded = [a for model in factory.models for a in arguments.get(model, ())] if factory.forwards else []
            own = {argument.name for argument in factory.arguments}
            passed = {a.name: a for a in forwarded if a.name not in own}
            provenance = {**vars(factory.provenance), MAKES: factory.models}
            yield _block(factory.qualified_name, (*factory.arguments, *passed.values()), factory.doc, provenance)


def _block(name: str, arguments: Collection[Argument], doc: str, provenance: Mapping[str, Any]) -> Block:
    parameters = tuple(Parameter(a.name, role_of(a), _plain(default_value(a)), a.required) for a in arguments)
    return Block(name, "other", parameters, None, doc, MappingProxyType(dict(provenance)))


def _plain(value: Any) -> Any:
    """The value where JSON knows it, else None, as for defaults that are no literals."""
    try:
        json.dumps(value)
        return value
    except (TypeError, ValueError):
        return None


def find_model(name: str, library: Mapping[str, Block]) -> Block:
    """What "timm:convnext_atto" names: package, colon, plain or qualified name of a factory or class.

    Raises UserError.
    """
    package, _, wanted = name.partition(":")
    own = {block.name: block for block in library.values() if block.mined and block.name.startswith(f"{package}.")}
    found = [block for block in own.values() if wanted in (block.name, block.name.rpartition(".")[2])]
    factories = [block for block in found if MAKES in block.provenance]
    if len(factories or found) == 1:
        return (factories or found)[0]
    if found:
        names = ", ".join(sorted(block.name for block in factories or found))
        raise UserError(f"{name}: several of that name; give one of {names}")
    if not own:
        raise UserError(f"{name}: no mined source of the name {package}; add it to the sources")
    models = {b.name.rpartition(".")[2] for b in own.values() if MAKES in b.provenance or b.provenance.get(MODEL)}
    nearest = get_close_matches(wanted, sorted(models), n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(nearest)}?" if nearest else f"{package} has {len(models)} models"
    raise UserError(f"{name}: no model of that name in {package}; {hint}")
