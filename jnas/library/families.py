"""What the trace of a class executes, and the family that this puts it in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp

from jnas.library.block import Contract
from jnas.library.execution import KEY, Place, lowering_plainly
from jnas.library.store import runtime_class
from translators.runtime.construction import constructing, randomness

# primitives of JAX
_GATES = {"logistic", "clamp", "tanh", "exp", "min", "select_n"}
_NONLINEAR = _GATES | {"max", "erf", "erfc"}
_COMPARISONS = {"gt", "ge", "lt", "le", "eq", "ne"}
_POWERS = {"square", "sqrt", "integer_pow", "pow", "log", "log1p", "expm1"}
_ELEMENTWISE = _NONLINEAR | _COMPARISONS | _POWERS
_ELEMENTWISE |= {"mul", "add", "sub", "div", "neg", "abs", "sign", "copy", "convert_element_type"}
_WINDOWS = {"reduce_window_max", "reduce_window_sum", "reduce_window"}


@dataclass
class Trace:
    """What happens to values that depend on the input."""

    place: Place
    operations: set[str] = field(default_factory=set)
    spatial_convolution: bool = False  # a kernel larger than one at the input's resolution
    dense: int = 0  # matrix products and pointwise convolutions with a parameter
    pointwise: int = 0  # the convolutions among them
    interactions: int = 0  # products of two values that both depend on the input
    pools: bool = False  # a reduction over height, width or both
    parameters: bool = False
    shortcut: bool = False  # the input itself is added to something


def observe(cls: type, arguments: Mapping[str, Any], place: Place) -> Trace:
    """What `cls(**arguments)` does to its input at `place`, in training mode: there no statistic is a constant."""
    found = Trace(place)

    def run(x: jax.Array, key: jax.Array) -> jax.Array:
        module = cls(**{name: runtime_class(value) for name, value in arguments.items()})
        module.train()
        found.parameters = any(True for _ in module.parameters())
        with randomness(key):
            return module(x)

    with constructing(abstract=True), lowering_plainly():
        jaxpr = jax.make_jaxpr(run)(jax.ShapeDtypeStruct(place.tensor, jnp.float32), KEY).jaxpr
    _walk(jaxpr, {jaxpr.invars[0]}, {jaxpr.invars[0]}, found)
    return found


def family_of(trace: Trace, contract: Contract, name: str) -> str:
    """One of block.FAMILIES."""
    changes_shape = contract.output_width is not None or contract.expansion != 1 or contract.growth is not None
    shrinks = contract.reduction > 1
    gates = trace.pools and trace.operations & _GATES and "mul" in trace.operations
    if not trace.parameters and not trace.dense and not trace.spatial_convolution:
        if trace.operations & _WINDOWS:
            return "pooling"
        if shrinks or contract.stride is not None:
            return "downsampling"
        if trace.pools:
            return "channel attention" if "mul" in trace.operations else "pooling"
        return "activation" if trace.operations & _NONLINEAR and trace.operations <= _ELEMENTWISE else "other"
    softmax = {"exp", "reduce_max"} <= trace.operations
    if softmax and (trace.interactions >= 2 or "att" in name.lower()):
        return "attention"
    if shrinks:
        return "downsampling"
    if gates and not trace.spatial_convolution and not changes_shape:
        return "channel attention"
    if trace.interactions and trace.dense:
        return "attention"
    if trace.spatial_convolution:
        return "residual block" if trace.shortcut else "convolution"
    if any(kind == "tokens" for _, kind in contract.sizes) or "fft" in trace.operations:
        return "mixer"
    if trace.dense and (trace.operations & _WINDOWS or "mix" in name.lower()):
        return "mixer"
    if trace.pointwise == trace.dense == 1:
        return "convolution"
    if trace.dense:
        return "mlp"
    if "rsqrt" in trace.operations or "norm" in name.lower():
        return "normalisation"
    if trace.operations & _WINDOWS:
        return "mixer"
    return "activation" if trace.operations & _NONLINEAR else "other"


def _walk(jaxpr: Any, dependent: set[Any], same: set[Any], found: Trace) -> tuple[set[Any], set[Any]]:
    """Follows values that depend on the input (`dependent`) and those that are it, perhaps in other axes (`same`)."""
    for equation in jaxpr.eqns:
        inputs = [v for v in equation.invars if not hasattr(v, "val")]
        if not any(v in dependent for v in inputs):
            continue
        name = equation.primitive.name
        inner = list(_inner(equation))
        if inner:
            for body in inner:
                offset = len(equation.invars) - len(body.invars)
                pairs = list(zip(equation.invars[max(0, offset) :], body.invars, strict=False))
                in_dependent = {b for a, b in pairs if not hasattr(a, "val") and a in dependent}
                in_same = {b for a, b in pairs if not hasattr(a, "val") and a in same}
                _walk(body, in_dependent, in_same, found)
            dependent.update(equation.outvars)
            continue
        dependent.update(equation.outvars)
        if name in ("transpose", "reshape", "copy", "convert_element_type") and inputs[0] in same:
            same.update(equation.outvars)
        _note(equation, name, inputs, dependent, same, found)
    return dependent, same


def _note(equation: Any, name: str, inputs: list[Any], dependent: set[Any], same: set[Any], found: Trace) -> None:
    found.operations.add(name)
    shape = getattr(equation.invars[0].aval, "shape", ())
    if name == "conv_general_dilated":
        kernel = equation.invars[1].aval.shape
        spatial = equation.params["dimension_numbers"].rhs_spec[2:]
        if any(kernel[i] > 1 for i in spatial):
            sizes = [shape[i] for i in equation.params["dimension_numbers"].lhs_spec[2:]]
            _, height, width = found.place.shape
            # over pooled channels (as in ECA) a convolution sees no image
            if sizes == [height * width] or (len(sizes) > 1 and min(sizes) > 1):
                found.spatial_convolution = True
        else:
            found.dense += 1
            found.pointwise += 1
    elif name == "dot_general":
        if all(v in dependent for v in inputs) and len(inputs) == 2:
            found.interactions += 1
        else:
            found.dense += 1
    elif name == "add" and any(v in same for v in inputs):
        found.shortcut = True
    elif name in ("reduce_sum", "reduce_max"):
        kept = [shape[i] for i in range(len(shape)) if i not in equation.params["axes"]]
        size = 1
        for i in equation.params["axes"]:
            size *= shape[i]
        _, height, width = found.place.shape
        if (size == height * width and len(kept) <= 2) or (size in (height, width) and len(shape) == 4):
            found.pools = True
    elif name.startswith("fft"):
        found.operations.add("fft")


def _inner(equation: Any) -> Iterator[Any]:
    for parameter in equation.params.values():
        for item in parameter if isinstance(parameter, (tuple, list)) else (parameter,):
            body = getattr(item, "jaxpr", item)
            if hasattr(body, "eqns") and hasattr(body, "invars"):
                yield body
