"""A program over (N, C, H, W) arrays turned into the same program over (N, H, W, C) ones, for the CPU (ours).

XLA convolves on the CPU in (N, H, W, C) alone and puts a transposition before and after each convolution and each of
its gradients; they take half of the time of a training step of a convolutional network. Here the traced program is
evaluated with arrays that stay in the order of the first convolution as long as what follows can be said in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import jax
from jax.extend.core import Jaxpr, JaxprEqn, Literal

from jnas.training.direct_convolution import convolved, is_convolved
from translators.runtime.standardisation import standardised, standardised_and_scaled

ORDER = (0, 2, 3, 1)  # where each axis of the new order was
BACK = (0, 3, 1, 2)
AXIS = {0: 0, 1: 3, 2: 1, 3: 2}  # where an axis went

# fmt: off
ELEMENTWISE = frozenset([
    "abs", "add", "add_any", "and", "cbrt", "ceil", "clamp", "convert_element_type", "copy", "cos", "div", "eq",
    "erf", "erf_inv", "erfc", "exp", "exp2", "expm1", "floor", "ge", "gt", "integer_pow", "is_finite", "le", "log",
    "log1p", "logistic", "lt", "max", "min", "mul", "ne", "neg", "not", "or", "pow", "rem", "round", "rsqrt",
    "select_n", "sign", "sin", "sqrt", "square", "stop_gradient", "sub", "tan", "tanh", "xor",
])
# fmt: on
REDUCTIONS = frozenset(
    ["reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or", "argmax", "argmin"]
)
PER_AXIS: Mapping[str, tuple[str, ...]] = {  # parameters that hold one value for each axis
    "pad": ("padding_config",),
    "slice": ("start_indices", "limit_indices", "strides"),
    "reduce_window_max": ("window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation"),
    "reduce_window_min": ("window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation"),
    "reduce_window_sum": ("window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation"),
}
CALLS = frozenset(["jit", "pjit"])
STANDARDISED = {  # by their names in calls
    "standardised": standardised,
    "standardised_and_scaled": standardised_and_scaled,
}
ONE_AXIS: Mapping[str, str] = {"concatenate": "dimension", "split": "axis"}


@partial(jax.tree_util.register_dataclass, data_fields=["array"], meta_fields=[])
@dataclass(frozen=True)
class _Last:
    """A value of the program that is (N, C, H, W), stored as `array` (N, H, W, C)."""

    array: Any


@dataclass(frozen=True)
class _Setting:
    """`direct` is that of `channels_last`; `again` has the programs that are called more than once, by their identity:
    they stay programs, so that JAX derives each once."""

    direct: Any
    again: Mapping[int, Callable[..., list[Any]]]


def channels_last(function: Callable[..., Any], direct: Any = None) -> Callable[..., Any]:
    """The same function of pytrees of arrays, computed in (N, H, W, C) where it convolves. Values agree to rounding.

    With `direct`, the `true` of `direct_convolution`, convolutions that it can say are its own.
    """

    def changed(*arguments: Any) -> Any:
        traced, shapes = jax.make_jaxpr(function, return_shape=True)(*arguments)
        setting = _Setting(direct, _called_again(traced.jaxpr))
        results = _evaluate(traced.jaxpr, traced.consts, jax.tree.leaves(arguments), setting)
        return jax.tree.unflatten(jax.tree.structure(shapes), map(_first, results))

    return changed


def _called_again(program: Jaxpr) -> dict[int, Callable[..., list[Any]]]:
    found = [inner for step in program.eqns if step.primitive.name in CALLS and (inner := _called(step)) is not None]
    count = Counter(id(inner[0]) for inner in found)
    return {id(inner[0]): _staying(*inner) for inner in found if count[id(inner[0])] > 1}


def _staying(program: Jaxpr, constants: Sequence[Any]) -> Callable[..., list[Any]]:
    def evaluated(direct: Any, operands: list[Any]) -> list[Any]:
        return _evaluate(program, constants, operands, _Setting(direct, {}))

    return jax.jit(evaluated)


def _first(value: Any) -> Any:
    return value.array.transpose(BACK) if isinstance(value, _Last) else value


def _last(value: Any) -> Any:
    """Four axes in the new order; what has none stays."""
    if isinstance(value, _Last):
        return value.array
    return jax.numpy.transpose(value, ORDER) if jax.numpy.ndim(value) == 4 else value


def _evaluate(program: Jaxpr, constants: Sequence[Any], arguments: Sequence[Any], setting: _Setting) -> list[Any]:
    values: dict[Any, Any] = dict(zip(program.constvars, constants, strict=True))
    values.update(zip(program.invars, arguments, strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else values[atom]

    last_use = {atom: index for index, step in enumerate(program.eqns) for atom in step.invars if _is_variable(atom)}
    kept = {atom for atom in program.outvars if _is_variable(atom)}
    for index, step in enumerate(program.eqns):
        operands = list(map(read, step.invars))
        values.update(zip(step.outvars, _step(step, operands, setting), strict=True))
        for atom in step.invars:
            if _is_variable(atom) and last_use[atom] == index and atom not in kept:
                values.pop(atom, None)
    return list(map(read, program.outvars))


def _is_last(operands: Sequence[Any]) -> bool:
    return any(isinstance(operand, _Last) for operand in operands)


def _is_variable(atom: Any) -> bool:
    return not isinstance(atom, Literal)


def _step(step: JaxprEqn, operands: list[Any], setting: _Setting) -> list[Any]:
    name, parameters = step.primitive.name, step.params
    if name == "conv_general_dilated" and _plain_convolution(step):
        x, weight = _last(operands[0]), _first(operands[1])
        if setting.direct is not None and is_convolved(step):
            return [_Last(convolved(x, weight, setting.direct, tuple(parameters["padding"])))]
        order = parameters["dimension_numbers"]._replace(lhs_spec=(0, 3, 1, 2), out_spec=(0, 3, 1, 2))
        turned = {**parameters, "dimension_numbers": order}
        return [_Last(step.primitive.bind(x, weight, **turned))]
    if name == "transpose" and tuple(parameters["permutation"]) == (ORDER if _is_last(operands) else BACK):
        (x,) = operands
        return [x.array if isinstance(x, _Last) else _Last(x)]
    inner = _called(step)
    if inner is not None and name in CALLS:
        if parameters["name"] in STANDARDISED:
            return _standardised(step, operands)
        if id(inner[0]) in setting.again:
            return setting.again[id(inner[0])](setting.direct, operands)
        return _evaluate(*inner, operands, setting)
    if _is_last(operands):
        if inner is not None and _is_elementwise(inner[0]) and _one_shape(step):
            return _in_order(step, operands)
        changed = _changed(step, operands)
        if changed is not None:
            return [
                _Last(result) if _rank(variable) == 4 else result for variable, result in zip(step.outvars, changed)
            ]
    return _bound(step, map(_first, operands), parameters)


def _standardised(step: JaxprEqn, operands: list[Any]) -> list[Any]:
    run, (x, eps, *affine) = STANDARDISED[step.params["name"]], operands
    axes = [axis for axis, size in enumerate(_shape(step.outvars[1])) if size == 1]
    if not isinstance(x, _Last):
        return list(run(x, tuple(axes), eps, *map(_first, affine)))
    axes = sorted(AXIS[axis] for axis in axes)
    return list(map(_Last, run(x.array, tuple(axes), eps, *map(_last, affine))))


def _changed(step: JaxprEqn, operands: list[Any]) -> list[Any] | None:
    """The results in the new order of a step that can be said in it; None of another."""
    name, parameters = step.primitive.name, dict(step.params)
    if name in REDUCTIONS:
        kept = [axis for axis in range(4) if axis not in parameters["axes"]]
        if sorted(kept, key=AXIS.__getitem__) != kept:
            return None
        parameters["axes"] = tuple(sorted(AXIS[axis] for axis in parameters["axes"]))
    elif name in PER_AXIS:
        for key in PER_AXIS[name]:
            if parameters[key] is not None:
                parameters[key] = tuple(parameters[key][axis] for axis in ORDER)
    elif name in ONE_AXIS:
        parameters[ONE_AXIS[name]] = AXIS[parameters[ONE_AXIS[name]]]
    elif name == "rev":
        parameters["dimensions"] = tuple(AXIS[axis] for axis in parameters["dimensions"])
    elif name not in ELEMENTWISE:
        return None
    return _bound(step, map(_last, operands), parameters)


def _in_order(step: JaxprEqn, operands: list[Any]) -> list[Any]:
    """A call with a derivative of its own, number by number: its arrays may hold them in any order."""
    results = []
    shaped = [
        jax.numpy.reshape(_last(operand), _shape(atom)) if _rank(atom) == 4 else operand
        for operand, atom in zip(operands, step.invars, strict=True)
    ]
    for variable, result in zip(step.outvars, _bound(step, shaped, step.params), strict=True):
        batch, channels, height, width = _shape(variable)
        results.append(_Last(result.reshape(batch, height, width, channels)))
    return results


def _bound(step: JaxprEqn, operands: Any, parameters: Mapping[str, Any]) -> list[Any]:
    results = step.primitive.bind(*operands, **step.primitive.get_bind_params(dict(parameters)))
    return list(results) if step.primitive.multiple_results else [results]


def _plain_convolution(step: JaxprEqn) -> bool:
    order = step.params["dimension_numbers"]
    return (
        _rank(step.invars[0]) == 4
        and order.lhs_spec == order.out_spec == (0, 1, 2, 3)
        and step.params["batch_group_count"] == 1
    )


def _called(step: JaxprEqn) -> tuple[Jaxpr, Sequence[Any]] | None:
    """The program that a step calls, and its constants."""
    inner = next((step.params[key] for key in ("jaxpr", "call_jaxpr") if key in step.params), None)
    return None if inner is None else (getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()))


def _is_elementwise(program: Jaxpr) -> bool:
    """Whether each result is made of the numbers at its own place, and of single numbers."""

    def plain(step: JaxprEqn) -> bool:
        inner = _called(step)
        if inner is not None:
            return _is_elementwise(inner[0])
        if step.primitive.name == "broadcast_in_dim":
            return prod(_shape(step.invars[0])) == 1
        return step.primitive.name in ELEMENTWISE

    return all(map(plain, program.eqns))


def _one_shape(step: JaxprEqn) -> bool:
    shapes = set(map(_shape, (*step.invars, *step.outvars))) - {()}
    return len(shapes) == 1 and all(_rank(variable) == 4 for variable in step.outvars)


def _shape(atom: Any) -> tuple[int, ...]:
    return atom.aval.shape


def _rank(atom: Any) -> int:
    return len(_shape(atom))
