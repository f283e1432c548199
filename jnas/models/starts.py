"""Trees by name: our own start trees, and mined whole models ("timm:convnext_atto?depths=[1,1,2,1]"), lifted."""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import Any

from jnas.library.binding import Shape
from jnas.library.models import find_model
from jnas.library.places import Places
from jnas.library.store import Library
from jnas.trees.node import Node, from_json
from jnas.trees.starts import START_TREES
from translators.diagnostics import UserError


def names_model(name: str) -> bool:
    """Whether a name is that of a mined model: SOURCE:MODEL, with ?KEY=VALUE&... for keyword arguments."""
    source, colon, model = name.partition(":")
    return bool(colon and model) and source.isidentifier()


def named_tree(name: str, library: Library, shape: Shape, classes: int) -> Node:
    """The tree of a name for images of `shape`. A mined model is built in a child process. Raises UserError."""
    if name in START_TREES:
        return START_TREES[name]()
    if not names_model(name):
        nearest = get_close_matches(name, START_TREES, n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else f"one of {', '.join(START_TREES)}, or SOURCE:MODEL"
        raise UserError(f"{name}: no start tree of that name; {hint}")
    model, _, text = name.partition("?")
    options = _options(name, text)
    block = find_model(model, library)
    known = [parameter.name for parameter in block.parameters]
    for key in options:
        if known and key not in known:
            nearest = get_close_matches(key, known, n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else f"it has {', '.join(known)}"
            raise UserError(f"{name}: {block.name} has no argument {key}; {hint}")
    assert isinstance(library.evaluate, Places), "a library that was opened"
    answer = library.evaluate.lifted(block.name, options, shape, classes)
    if "error" in answer:
        raise UserError(f"{name}: {answer['error']}")
    return from_json(answer["tree"], library)


def _options(name: str, text: str) -> dict[str, Any]:
    """`depths=[1,1]&act_layer=silu`: JSON values, and words that are none as text."""
    options: dict[str, Any] = {}
    for part in text.split("&") if text else ():
        key, equals, value = part.partition("=")
        if not equals or not key.isidentifier():
            raise UserError(f"{name}: {part!r} is no option; expected KEY=VALUE, more of them after &")
        try:
            options[key] = json.loads(value)
        except ValueError:
            options[key] = value
    return options
