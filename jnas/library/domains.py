"""Values of parameters: those that execute where the contract says, with the outcome that it says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from jnas.library.binding import bind, contract_of
from jnas.library.block import Block, Parameter
from jnas.library.contracts import awkward_shape, fits, with_parameter
from jnas.library.declarations import WIDTHS
from jnas.library.execution import Place
from jnas.library.experiments import Experiment, Start
from jnas.library.hypotheses import ACTIVATION_NAMES, HEAD_WIDTHS, INNER_MODULES

LEAST_WIDTHS = (4, 8, 16, 32, 48, 64)
DOMAIN_TRACES = 30  # what exploring the values of one class may cost

_RANGES = ("kernel", "depth", "rate", "heads", "width", "ratio")
_ALONE = ("flag", "stride", "width")  # a width that is given may stand in for a ratio
_INNER = ("ratio", "width", "depth", "other")

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
    uneven = start.place.at(shape=(start.place.shape[0], *awkward.shape[1:]))  # heads divide a width, never a size
    bound = {name for name, _ in contract_of(block).sizes}
    asked: dict[Place, dict[str, tuple[Any, ...]]] = {}
    for parameter in block.parameters:
        role = parameter.role
        if parameter.name in bound or role == "input width":
            continue
        spent = experiment.traces >= limit
        if role == "heads" and (spent or not _divides(experiment, block, parameter, uneven)):
            block = with_parameter(block, replace(parameter, role="other"))
        elif role == "output width":
            values = () if spent else _range_of_widths(experiment, block, parameter, start.place)
            block = _offering(block, parameter.name, values)
        else:
            inner = INNER_MODULES[contract_of(block).layout] if role == "module" and parameter.required else ()
            where = uneven if role == "heads" else awkward.at(training=role == "rate")
            asked.setdefault(where, {})[parameter.name] = inner or _candidates(parameter)
    for place, candidates in asked.items():
        for name, values in _fitting(experiment, block, candidates, place, limit).items():
            block = _offering(block, name, values)
    return _wide_enough(experiment, block, start.place)


def _offering(block: Block, name: str, values: tuple[Any, ...]) -> Block:
    parameter = block.parameter(name)
    assert parameter is not None
    return with_parameter(block, replace(parameter, domain=values if len(values) > 1 else ()))


def _fitting(
    experiment: Experiment, block: Block, candidates: Mapping[str, tuple[Any, ...]], place: Place, limit: int
) -> dict[str, tuple[Any, ...]]:
    """The candidates that fit at `place`, by parameter.

    Values of several parameters are first tried together, and alone where that fails. In a range of numbers those
    between two that fit do. Flags and widths are tried alone: one may switch off what another value would break.
    """
    usual = bind(block, {}, place.shape)
    roles = {p.name: p.role for p in block.parameters}
    defaults = {p.name: p.default for p in block.parameters}
    telling: dict[str, list[Any]] = {}
    for name, values in candidates.items():
        ends = (values[0], values[-1]) if values and roles[name] in _RANGES else values
        default = usual.get(name, defaults[name])
        telling[name] = [v for v in dict.fromkeys(ends) if v != default or type(v) is not type(default)]
    joined = [name for name in candidates if roles[name] not in _ALONE]
    together: set[tuple[str, str]] = set()
    for number in range(max((len(telling[name]) for name in joined), default=0)):
        args = {name: telling[name][number] for name in joined if number < len(telling[name])}
        if experiment.traces < limit and fits(experiment, block, args, place):
            together.update((name, repr(value)) for name, value in args.items())

    def fitting(name: str, value: Any) -> bool:
        return (name, repr(value)) in together or fits(experiment, block, {name: value}, place)

    found: dict[str, tuple[Any, ...]] = {}
    for name, values in candidates.items():
        if experiment.traces >= limit:
            break
        whole = roles[name] in _RANGES and all(fitting(name, value) for value in telling[name])
        found[name] = values if whole else tuple(value for value in values if fitting(name, value))
    return found


def _awkward_place(experiment: Experiment, block: Block, place: Place) -> Place:
    """A place that the contract allows, whose width and sizes divide by nothing more than they must, if there is one.

    What executes there does not owe it to the numbers of the usual place.
    """
    width, *sizes = awkward_shape(contract_of(block), place)
    for shape in ((width, *sizes), (width, *place.shape[1:])):
        if fits(experiment, block, {}, place.at(shape=shape)):
            return place.at(shape=shape)
    return place


def _wide_enough(experiment: Experiment, block: Block, place: Place) -> Block:
    """The block with a least width at which the first and the last value of each inner width or ratio execute."""
    contract = contract_of(block)
    inner = [p for p in block.parameters if p.domain and p.role in _INNER]
    if not inner or contract.exact_width is not None:
        return block
    single = [{p.name: p.domain[end]} for p in inner for end in (0, -1)]
    together = [{p.name: p.domain[end] for p in inner if p.role not in _ALONE} for end in (0, -1)]
    together += [{p.name: p.domain[end]} for p in inner if p.role in _ALONE for end in (0, -1)]
    widths = [w for w in LEAST_WIDTHS if w % contract.width_multiple == 0 and w >= contract.minimum_width]
    for width in (max(contract.minimum_width, contract.width_multiple), *widths):
        at = place.at(shape=(width, *place.shape[1:]))
        if any(all(fits(experiment, block, args, at) for args in tried if args) for tried in (together, single)):
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
        fits(experiment, block, {parameter.name: heads}, place) for heads in (8, 4, 2)
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
