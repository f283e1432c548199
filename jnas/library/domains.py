"""Values of parameters: those that execute where the contract says, with the outcome that it says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from jnas.library.binding import contract_of
from jnas.library.block import Block, Parameter
from jnas.library.contracts import WIDTH_TESTS, fits, with_parameter
from jnas.library.declarations import WIDTHS
from jnas.library.execution import Place
from jnas.library.experiments import Experiment, Start
from jnas.library.hypotheses import ACTIVATION_NAMES, HEAD_WIDTHS, INNER_MODULES

LEAST_WIDTHS = (4, 8, 16, 32, 48, 64)
DOMAIN_TRACES = 30  # what exploring the values of one class may cost

_CHOICES: dict[str, tuple[Any, ...]] = {
    "kernel": (3, 5, 7),
    "depth": (1, 2, 3),
    "rate": (0.0, 0.1),
    "flag": (False, True),
    "heads": (1, 2, 4, 8),
    "width": (16, 32, 64, 128),
}


def with_domains(experiment: Experiment, block: Block, start: Start) -> Block:
    """Each parameter with the values that execute in this contract; what stands alone is no decision."""
    limit = experiment.traces + DOMAIN_TRACES
    awkward = _awkward_place(experiment, block, start.place)
    bound = {name for name, _ in contract_of(block).sizes}
    for parameter in block.parameters:
        role = parameter.role
        if parameter.name in bound or role == "input width":
            continue
        place = start.place
        uneven = place.at(shape=(place.shape[0], *awkward.shape[1:]))  # heads divide a width, never a size
        spent = experiment.traces >= limit
        if role == "heads" and (spent or not _divides(experiment, block, parameter, uneven)):
            block = with_parameter(block, replace(parameter, role="other"))
            continue
        if spent:
            continue
        if role == "output width":
            values: tuple[Any, ...] = _range_of_widths(experiment, block, parameter, place)
        else:
            inner = INNER_MODULES[contract_of(block).layout] if role == "module" and parameter.required else ()
            where = uneven if role == "heads" else awkward.at(training=role == "rate")
            values = tuple(
                v for v in (inner or _candidates(parameter)) if fits(experiment, block, {parameter.name: v}, where)
            )
        block = with_parameter(block, replace(parameter, domain=values if len(values) > 1 else ()))
    return _wide_enough(experiment, block, start.place)


def _awkward_place(experiment: Experiment, block: Block, place: Place) -> Place:
    """A place that the contract allows, whose width and sizes divide by nothing more than they must, if there is one.

    What executes there does not owe it to the numbers of the usual place.
    """
    contract = contract_of(block)
    width = contract.exact_width or dict(WIDTH_TESTS).get(contract.width_multiple, place.shape[0])
    height = contract.size_multiple * (2 * (place.shape[1] // contract.size_multiple // 2) + 1)
    breadth = height if contract.square else height + 2 * contract.size_multiple
    for shape in ((width, height, breadth), (width, *place.shape[1:])):
        if fits(experiment, block, {}, place.at(shape=shape)):
            return place.at(shape=shape)
    return place


def _wide_enough(experiment: Experiment, block: Block, place: Place) -> Block:
    """The block with a least width at which the first and the last value of each inner width or ratio execute."""
    contract = contract_of(block)
    extremes = [
        {parameter.name: value}
        for parameter in block.parameters
        if parameter.domain and parameter.role in ("ratio", "width", "depth", "other")
        for value in (parameter.domain[0], parameter.domain[-1])
    ]
    if not extremes or contract.exact_width is not None:
        return block
    widths = [w for w in LEAST_WIDTHS if w % contract.width_multiple == 0 and w >= contract.minimum_width]
    for width in (max(contract.minimum_width, contract.width_multiple), *widths):
        at = place.at(shape=(width, *place.shape[1:]))
        if all(fits(experiment, block, args, at) for args in extremes):
            return replace(block, contract=replace(contract, minimum_width=width))
    return block


def _range_of_widths(experiment: Experiment, block: Block, parameter: Parameter, place: Place) -> tuple[int, ...]:
    """Widths from the least to the greatest that executes; between them the divisibility that was found decides."""

    def executes(width: int) -> bool:
        return fits(experiment, block, {parameter.name: width}, place)

    widths = [width for width in WIDTHS if width % (contract_of(block).output_multiple or 1) == 0]
    least = next((width for width in widths if executes(width)), 0)
    greatest = next((width for width in reversed(widths) if executes(width)), 0)
    return tuple(width for width in widths if 0 < least <= width <= greatest)


def _divides(experiment: Experiment, block: Block, parameter: Parameter, place: Place) -> bool:
    """Heads, groups and their widths divide the width: three fail where two, four or eight do not."""
    return not fits(experiment, block, {parameter.name: 3}, place) and any(
        fits(experiment, block, {parameter.name: heads}, place) for heads in (2, 4, 8)
    )


def _candidates(parameter: Parameter) -> tuple[Any, ...]:
    default, role = parameter.default, parameter.role
    if role == "stride":
        return (1, 2)
    if role == "ratio" and isinstance(default, (int, float)) and not isinstance(default, bool) and default > 0:
        values: Iterable[Any] = (default / 2, default, default * 2)
        if isinstance(default, int):
            values = (int(v) for v in values if v == int(v) and v >= 1)
        return tuple(values)
    if role in ("module class", "choice"):
        return _activations(default)
    if role == "kernel" and isinstance(default, tuple):
        return tuple(sorted({(k, k) for k in _CHOICES["kernel"]} | {default}))
    if role == "kernel" and not isinstance(default, int):
        return ()
    if role in ("kernel", "depth", "heads", "width", "rate", "flag"):
        known = isinstance(default, (int, float)) and role != "width"
        per_head = role == "heads" and re.search(r"dim|size", parameter.name)
        return tuple(sorted({*(HEAD_WIDTHS if per_head else _CHOICES[role]), *((default,) if known else ())}))
    return ()


def _activations(default: Any) -> tuple[Any, ...]:
    """Activations in the spelling of the default: a runtime class, or a lower-case name as factories take it."""
    if not isinstance(default, str):
        return ()
    names = ("ReLU", "GELU", "SiLU")
    if default.startswith("nn.") and default.removeprefix("nn.") in ACTIVATION_NAMES:
        return tuple(dict.fromkeys((default, *(f"nn.{name}" for name in names))))
    if default in {name.lower() for name in ACTIVATION_NAMES} | {"hard_sigmoid", "hard_swish", "swish"}:
        return tuple(dict.fromkeys((default, *(name.lower() for name in names))))
    return ()
