"""Modules as nodes: the class and the arguments that were recorded when a model was built, as values of a tree."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from inspect import Parameter as Argument
from inspect import Signature
from typing import Any

from jnas.library.block import Block
from jnas.library.exact import Bound, Reference
from jnas.library.layers import PREFIX
from jnas.models.build import parameters_of
from jnas.models.tracing import Recording
from jnas.trees.node import Node
from translators.loading import source_name
from translators.runtime import nn
from translators.runtime.module import Module

LAYER_WIDTHS = ("in_channels", "in_features", "num_features", "normalized_shape", "num_channels")


class Unsayable(Exception):
    """A value that a tree has no word for."""


def block_name(module: Any, library: Mapping[str, Block]) -> str | None:
    """The block that a module is an instance of; None where the library has none."""
    name = thing_name(type(module))
    return name if name in library else None


def thing_name(thing: Any) -> str | None:
    """The name by which a tree speaks of a class or function: "nn.Conv2d", or the qualified name in its source."""
    name = getattr(thing, "__name__", "")
    return PREFIX + name if getattr(nn, name, None) is thing else source_name(thing)


def recorded_arguments(module: Any, recording: Recording, library: Mapping[str, Block]) -> dict[str, Any]:
    """The arguments of the constructor by name, without those that have their default. Raises Unsayable."""
    args, kwargs = recording.made[id(module)]
    parameters = {parameter.name: parameter for parameter in parameters_of(type(module))}
    given = Signature(list(parameters.values())).bind(*args, **kwargs).arguments
    found: dict[str, Any] = {}
    for name, value in given.items():
        kind = parameters[name].kind
        if kind == Argument.VAR_KEYWORD:
            found |= {key: _value(item, recording, library) for key, item in value.items()}
        elif kind == Argument.VAR_POSITIONAL:
            found[name] = tuple(_value(item, recording, library) for item in value)
        elif not _is_default(value, parameters[name].default):
            found[name] = _value(value, recording, library)
    return found


def node_of(module: Any, recording: Recording, library: Mapping[str, Block], layouts: tuple[str, str]) -> Node:
    """The exact node of a module; arguments that are its incoming width are bound to it. Raises Unsayable."""
    name = block_name(module, library)
    if name is None or id(module) not in recording.made:
        raise Unsayable(type(module).__name__)
    return Node(name, recorded_arguments(module, recording, library), exact=layouts)


def bound_to_width(node: Node, width: int, library: Mapping[str, Block]) -> Node:
    """The node whose arguments that say the incoming width follow it."""

    def says_width(name: str) -> bool:
        parameter = library[node.block].parameter(name)
        return name in LAYER_WIDTHS if parameter is None else parameter.role == "input width"

    values = {
        name: Bound("width") for name, v in node.args.items() if type(v) is int and v == width and says_width(name)
    }
    return node.with_args(**values)


def _is_default(value: Any, default: Any) -> bool:
    if default is Argument.empty:
        return False
    return value is default or (
        type(value) is type(default) and isinstance(value, (int, float, str)) and value == default
    )


def _value(value: Any, recording: Recording, library: Mapping[str, Block]) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str) and not value.startswith(PREFIX):
        return value
    if isinstance(value, (tuple, list)):
        return tuple(_value(item, recording, library) for item in value)
    if isinstance(value, Module):
        return node_of(value, recording, library, ("NCHW", "NCHW"))
    if isinstance(value, partial) and not value.args:
        args = {name: _value(item, recording, library) for name, item in value.keywords.items()}
        inner = _value(value.func, recording, library)
        if isinstance(inner, str):
            inner = Reference(inner)
        if isinstance(inner, Reference):
            return Reference(inner.name, {**inner.args, **args})
    name = thing_name(value) if isinstance(value, type) or callable(value) else None
    if name is not None and "<" not in name and "." in name:
        return name if name.startswith(PREFIX) else Reference(name)
    raise Unsayable(repr(value)[:80])
