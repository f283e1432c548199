"""What stands in a tree with all its arguments, without a contract: values that such arguments may have, and what is
known of such a module at a place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from jnas.library.binding import BindError, Shape, size_value
from jnas.library.block import LAYOUTS

CLASSES = 10  # of a head whose data set is not known: shapes before the head do not depend on it
EDGES = (*LAYOUTS, "NC")  # layouts at the ends of a module; "NC" has no places, as before and after a classifier
BOUND = ("width", "classes", "height", "pair", "tokens")


@dataclass(frozen=True)
class Reference:
    """A class or function of mined source or of the runtime ("nn.LayerNorm") as a value, with partial arguments."""

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "args", MappingProxyType(dict(sorted(self.args.items()))))

    def __hash__(self) -> int:
        return hash((self.name, tuple(self.args.items())))


@dataclass(frozen=True)
class Bound:
    """A value that follows from the place: incoming width, number of classes, incoming height, its pair, tokens."""

    kind: str


@dataclass(frozen=True)
class Slot:
    """A submodule that a tree may replace: it maps one array to one array, once.

    Shapes are (channels, height, width); a row of tokens that is no grid is (channels, tokens, 1). `many`: a list of
    modules that are walked in order.
    """

    before: Shape
    after: Shape
    layout: str
    output_layout: str
    many: bool = False


@dataclass(frozen=True)
class Traced:
    """A module at a place: outgoing shape, and its slots by attribute path in the order in which they are called."""

    after: Shape
    slots: Mapping[str, Slot] = field(default_factory=dict)


# (block, its arguments with everything bound as JSON text, (incoming, outgoing) layout, incoming shape) -> what it is
# there; raises BindError where it does not run.
Evaluate = Callable[[str, str, tuple[str, str], Shape], Traced]


def unknown(block: str, arguments: str, layouts: tuple[str, str], shape: Shape) -> Traced:
    """The `Evaluate` of a library that runs nothing."""
    raise BindError(f"{block} has no contract here, and this library runs nothing to see its shape")


def traced_to_json(traced: Traced) -> dict[str, Any]:
    """Lists of [before, after, layout, output layout, many] by place."""
    slots = {p: [s.before, s.after, s.layout, s.output_layout, s.many] for p, s in traced.slots.items()}
    return {"after": traced.after, "slots": slots}


def traced_from_json(data: Mapping[str, Any]) -> Traced:
    """The inverse of `traced_to_json`."""
    slots = {
        place: Slot(_shape(before), _shape(after), layout, output_layout, many)
        for place, (before, after, layout, output_layout, many) in data["slots"].items()
    }
    return Traced(_shape(data["after"]), slots)


def _shape(values: Any) -> Shape:
    channels, height, width = values
    return channels, height, width


def bind_exact(args: Mapping[str, Any], shape: Shape, classes: int = CLASSES) -> dict[str, Any]:
    """The arguments of a module at incoming `shape`, bound ones replaced by their values."""
    values = {"width": shape[0], "classes": classes}
    return {
        name: (values[value.kind] if value.kind in values else size_value(value.kind, *shape[1:]))
        if isinstance(value, Bound)
        else value
        for name, value in args.items()
    }
