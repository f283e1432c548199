"""A block at a place: from decisions and an incoming shape to constructor arguments and the outgoing shape. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import ceil, lcm
from typing import Any

from jnas.library.block import Block, Contract
from translators.spelling import is_spelled

Shape = tuple[int, int, int]  # (channels, height, width)

WIDEST_CHANGE = 4  # an offered output width is within this factor of the incoming one


class BindError(Exception):
    """The block does not fit at this place with these arguments; the message says why."""


def bound_names(block: Block) -> frozenset[str]:
    """Parameters that the place decides, so that a tree never mentions them."""
    contract = contract_of(block)
    tied = (p.name for p in block.parameters if p.role == "input width")
    projection = () if contract.projection is None else (contract.projection,)
    return frozenset((*contract.input_width, *tied, *(name for name, _ in contract.sizes), *projection))


def bind(block: Block, args: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    """Constructor arguments of `block` at incoming `shape` with the decisions `args`. Raises BindError.

    An absent output width means the incoming width (as nearly as the expansion allows), an absent stride 1, any
    other absent argument its default. Values of module arguments pass through as they are, but for "{width}" in their
    spelling, which is the incoming width.
    """
    contract = contract_of(block)
    bound = bound_names(block)
    for name in args:
        if block.parameter(name) is None:
            raise BindError(f"{block.name} has no argument {name}")
        if name in bound:
            raise BindError(f"{block.name}: {name} follows from its place and cannot be set")
    width, height, breadth = shape
    if contract.exact_width not in (None, width):
        raise BindError(f"{block.name} needs a width of {contract.exact_width}, it receives {width}")
    multiple = _width_multiple(block, args)
    if width % multiple:
        raise BindError(f"{block.name} needs a width that is a multiple of {multiple}, it receives {width}")
    if height % contract.size_multiple or breadth % contract.size_multiple:
        raise BindError(
            f"{block.name} needs sizes that are multiples of {contract.size_multiple}, it receives {height} x {breadth}"
        )
    if width < contract.minimum_width:
        raise BindError(f"{block.name} needs a width of at least {contract.minimum_width}, it receives {width}")
    if contract.square and height != breadth:
        raise BindError(f"{block.name} needs a square input, it receives {height} x {breadth}")
    if min(height, breadth) < contract.minimum_size:
        raise BindError(f"{block.name} needs at least {contract.minimum_size} pixels, it receives {height} x {breadth}")
    arguments = {name: at_width(value, width) for name, value in (dict(contract.supplied) | dict(args)).items()}
    for name in contract.input_width:
        arguments[name] = width
    for name, ratio in contract.width_ratios:
        if name not in args:
            arguments[name] = _whole(Fraction(ratio).limit_denominator(64) * width, f"{block.name}: {name}")
    for name, kind in contract.sizes:
        if kind == "window":
            arguments[name] = _window(block, name, height, breadth)
        else:
            arguments[name] = size_value(kind, height, breadth)
    if contract.growth is not None:
        arguments.setdefault(contract.growth[0], _default(block, contract.growth[0]))
    if contract.output_width is not None:
        arguments[contract.output_width] = _output_width(block, contract.output_width, args, width)
    if contract.stride is not None:
        arguments[contract.stride] = args.get(contract.stride, 1)
    factor = _factor(contract, arguments)
    if contract.exact and (height % factor or breadth % factor):
        raise BindError(f"{block.name} needs sizes that are multiples of {factor}, it receives {height} x {breadth}")
    if contract.projection is not None:
        outgoing = _outgoing_width(block, arguments, width)
        same = (outgoing, factor) == (width, 1)
        arguments[contract.projection] = None if same else projection(width, outgoing, factor)
    return arguments


def projection(width: int, outgoing: int, stride: int) -> str:
    """Spelling of the module that a shortcut needs where the shape changes (ResNet, option B)."""
    convolution = f"nn.Conv2d({width}, {outgoing}, 1, {stride}, bias=False)"
    return f"nn.Sequential({convolution}, nn.BatchNorm2d({outgoing}))"


def at_width(value: Any, width: int) -> Any:
    """A spelled module ("nn.Linear({width}, {width})") for an incoming width; other values as they are."""
    return value.replace("{width}", str(width)) if is_spelled(value) else value


def output_shape(block: Block, args: Mapping[str, Any], shape: Shape) -> Shape:
    """Outgoing (channels, height, width) at incoming `shape`. Raises BindError."""
    arguments = bind(block, args, shape)
    contract = contract_of(block)
    width = _outgoing_width(block, arguments, shape[0])
    if contract.output_size is not None:
        return width, contract.output_size, contract.output_size
    factor = _factor(contract, arguments)
    height, breadth = (ceil((size - contract.margin) / factor) * contract.enlargement for size in shape[1:])
    return width, height, breadth


def _outgoing_width(block: Block, arguments: Mapping[str, Any], width: int) -> int:
    contract = contract_of(block)
    if contract.growth is not None:
        name, factor = contract.growth
        outgoing = width + Fraction(factor).limit_denominator(64) * arguments[name]
    else:
        base = width if contract.output_width is None else arguments[contract.output_width]
        outgoing = _expansion(contract) * base + contract.offset
    return _whole(outgoing, f"{block.name}: outgoing width")


def open_arguments(block: Block, shape: Shape) -> dict[str, tuple[Any, ...]]:
    """The decisions at this place: each argument with a domain, and the values that fit here alone (at least two)."""
    bound = bound_names(block)
    offered: dict[str, tuple[Any, ...]] = {}
    for parameter in block.parameters:
        if parameter.name in bound:
            continue
        values = tuple(v for v in parameter.domain if _offered(block, parameter.name, parameter.role, v, shape))
        if len(values) > 1:
            offered[parameter.name] = values
    return offered


def _offered(block: Block, name: str, role: str, value: Any, shape: Shape) -> bool:
    if role == "output width" and not shape[0] <= value * _expansion(contract_of(block)) * WIDEST_CHANGE <= (
        shape[0] * WIDEST_CHANGE**2
    ):
        return False
    try:
        return min(output_shape(block, {name: value}, shape)) >= 1
    except BindError:
        return False


def _output_width(block: Block, name: str, args: Mapping[str, Any], width: int) -> int:
    contract = contract_of(block)
    multiple = contract.output_multiple or width
    value = args.get(name)
    if value is None:
        value = max(multiple, round(width / _expansion(contract) / multiple) * multiple)
    if not isinstance(value, int) or value < 1 or value % multiple:
        raise BindError(f"{block.name}: {name} must be a positive multiple of {multiple}, it is {value}")
    for parameter in block.parameters:
        heads = args.get(parameter.name, parameter.default) if parameter.role == "heads" else None
        if isinstance(heads, int) and heads > 0 and value % heads:
            raise BindError(f"{block.name}: {parameter.name} {heads} does not divide {name} {value}")
    return value


def _default(block: Block, name: str) -> Any:
    parameter = block.parameter(name)
    return None if parameter is None else parameter.default


def _width_multiple(block: Block, args: Mapping[str, Any]) -> int:
    """What the incoming width must divide by: measured with default heads, so it scales with other heads."""
    multiple = contract_of(block).width_multiple
    for parameter in block.parameters:
        value = args.get(parameter.name, parameter.default)
        if parameter.role != "heads" or not isinstance(value, int) or value < 1:
            continue
        default = parameter.default
        if isinstance(default, int) and default > 1 and multiple % default == 0:
            multiple = multiple // default * value
        else:
            multiple = lcm(multiple, value)
    return multiple


def size_value(kind: str, height: int, breadth: int) -> Any:
    """What a size argument of this kind is for an input of height x breadth."""
    return {"height": height, "pair": (height, breadth), "tokens": height * breadth}[kind]


def _window(block: Block, name: str, height: int, breadth: int) -> Any:
    """The largest window of the domain that tiles the input."""
    parameter = block.parameter(name)
    for value in sorted(parameter.domain if parameter else (), reverse=True):
        side = value[0] if isinstance(value, tuple) else value
        if height % side == 0 and breadth % side == 0:
            return value
    raise BindError(f"{block.name}: no {name} that was tried tiles {height} x {breadth}")


def _factor(contract: Contract, arguments: Mapping[str, Any]) -> int:
    stride = 1 if contract.stride is None else arguments[contract.stride]
    if not isinstance(stride, int) or stride < 1:
        raise BindError(f"{contract.stride} must be a positive whole number, it is {stride}")
    return stride * contract.reduction


def _expansion(contract: Contract) -> Fraction:
    return Fraction(contract.expansion).limit_denominator(64)


def _whole(value: Fraction, what: str) -> int:
    if value.denominator != 1 or value < 1:
        raise BindError(f"{what} would be {float(value):g}, which is not a whole number of channels")
    return int(value)


def contract_of(block: Block) -> Contract:
    """The contract of a block. Raises BindError where it has none."""
    if block.contract is None:
        raise BindError(f"{block.name} has no contract: it executes but cannot be placed")
    return block.contract
