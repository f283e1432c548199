"""A block as the search sees it: parameters with roles, and a contract that says what fits where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

LAYOUTS = ("NCHW", "NHWC", "NLC")

FAMILIES = (
    "convolution",
    "attention",
    "mlp",
    "mixer",
    "channel attention",
    "pooling",
    "normalisation",
    "downsampling",
    "activation",
    "residual block",
    "other",
)

ROLES = (
    "input width",
    "output width",
    "width",
    "kernel",
    "stride",
    "heads",
    "ratio",
    "depth",
    "rate",
    "size",
    "flag",
    "choice",
    "module class",
    "module",
    "other",
)


@dataclass(frozen=True)
class Parameter:
    """A constructor argument.

    `domain` holds values that probing has executed (of an output width: the least, the greatest and what divides alike
    between them), in a sensible order; empty means that the search leaves it alone.
    `default` is what a tree means when it does not mention the argument.
    """

    name: str
    role: str
    default: Any = None
    required: bool = False
    domain: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Contract:
    """What binds a block to its place, found by probing (see probing.py).

    Shapes are per example: (channels, height, width) at every edge of a tree, whatever `layout` the block wants inside.
    """

    layout: str = "NCHW"
    output_layout: str = "NCHW"
    input_width: tuple[str, ...] = ()  # parameters that must equal the incoming width
    width_ratios: tuple[tuple[str, float], ...] = ()  # (parameter, share of the incoming width that it is when unset)
    output_width: str | None = None  # parameter that sets the outgoing width; None: see expansion
    expansion: float = 1  # outgoing width = expansion * (output_width argument, or incoming width)
    offset: int = 0  # channels added to that, as by branches of a fixed width
    growth: tuple[str, float] | None = None  # (parameter, factor): outgoing width = incoming + factor * parameter
    stride: str | None = None  # parameter that sets the spatial factor
    reduction: int = 1  # spatial factor at stride 1 (or of a block without a stride parameter)
    margin: int = 0  # pixels of height and width that are lost before, as to a kernel without padding
    enlargement: int = 1  # and by what the result is enlarged
    output_size: int | None = None  # outgoing height and width, where they are the same for every input
    exact: bool = False  # sizes must divide by the spatial factor; otherwise they round up
    sizes: tuple[
        tuple[str, str], ...
    ] = ()  # (parameter, "height" | "pair" | "tokens" | "window") bound to the incoming size
    exact_width: int | None = None  # the only incoming width
    width_multiple: int = 1  # incoming width must be a multiple of this (with default heads)
    output_multiple: int = 1  # value of output_width must be a multiple of this (0: of the incoming width)
    size_multiple: int = 1  # incoming height and width must be multiples of this
    minimum_width: int = 1
    minimum_size: int = 1
    square: bool = False  # height and width must be equal
    projection: str | None = None  # parameter that must be a module where the shape changes, and None elsewhere
    supplied: Mapping[str, Any] = field(
        default_factory=lambda: MappingProxyType({})
    )  # values without which it does not build


@dataclass(frozen=True)
class Block:
    """A class that trees can name. `name` is unique in a library: `timm.layers.eca.EcaModule`, `jnas.ConvNormAct`.

    `contract` is None for a block that executes but cannot be placed yet; `provenance` tells where it was mined
    (package, version, path, lines, licence, sha256); `folder` is where its emitted source lies (None: our own);
    `verification` is what the comparison with PyTorch found (see verification.py), empty where there was none.
    """

    name: str
    family: str
    parameters: tuple[Parameter, ...] = ()
    contract: Contract | None = None
    description: str = ""
    provenance: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    folder: str | None = None
    verification: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def placeable(self) -> bool:
        return self.contract is not None

    @property
    def mined(self) -> bool:
        return self.folder is not None

    def parameter(self, name: str) -> Parameter | None:
        return next((p for p in self.parameters if p.name == name), None)
