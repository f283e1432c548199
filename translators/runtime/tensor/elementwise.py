"""Element-wise functions. NumPy in, NumPy out; anything traced goes through JAX."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from translators.runtime.arrays import cast, function, is_floating, namespace, op, public, single

pi, e, inf, nan = math.pi, math.e, math.inf, math.nan


def _floating(x: Any) -> Any:
    """Integers become float32 before a transcendental function, as in PyTorch."""
    return x if not hasattr(x, "dtype") or x.dtype.kind not in "iub" else cast(x, np.float32)


def _unary(name: str, numpy_name: str | None = None, floating: bool = True) -> Any:
    numpy_name = numpy_name or name

    def apply(input: Any) -> Any:
        x = _floating(input) if floating else input
        return single(getattr(namespace(x), numpy_name)(x), x)

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = f"Element-wise {numpy_name}."
    return op(apply)


def _binary(name: str, numpy_name: str | None = None) -> Any:
    numpy_name = numpy_name or name

    def apply(input: Any, other: Any) -> Any:
        return single(getattr(namespace(input, other), numpy_name)(input, other), input, other)

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = f"Element-wise {numpy_name} with broadcasting."
    return op(apply)


sin, cos, tan = _unary("sin"), _unary("cos"), _unary("tan")
asin, acos, atan = _unary("asin", "arcsin"), _unary("acos", "arccos"), _unary("atan", "arctan")
sinh, cosh, tanh = _unary("sinh"), _unary("cosh"), _unary("tanh")
exp, expm1, exp2 = _unary("exp"), _unary("expm1"), _unary("exp2")
log, log2, log10, log1p = _unary("log"), _unary("log2"), _unary("log10"), _unary("log1p")
sqrt = _unary("sqrt")
abs = _unary("abs", floating=False)
absolute = _unary("absolute", "abs", floating=False)
neg, negative = _unary("neg", "negative", floating=False), _unary("negative", floating=False)
sign, square = _unary("sign", floating=False), _unary("square", floating=False)
floor, ceil, trunc = _unary("floor", floating=False), _unary("ceil", floating=False), _unary("trunc", floating=False)
isnan, isinf, isfinite = (
    _unary("isnan", floating=False),
    _unary("isinf", floating=False),
    _unary("isfinite", floating=False),
)
logical_not = _unary("logical_not", floating=False)
bitwise_not = _unary("bitwise_not", floating=False)
real, imag, angle = _unary("real", floating=False), _unary("imag", floating=False), _unary("angle")
conj = _unary("conj", floating=False)

maximum, minimum = _binary("maximum"), _binary("minimum")
fmod, remainder = _binary("fmod"), _binary("remainder")
atan2 = _binary("atan2", "arctan2")
eq, ne, lt, le = _binary("eq", "equal"), _binary("ne", "not_equal"), _binary("lt", "less"), _binary("le", "less_equal")
gt, ge = _binary("gt", "greater"), _binary("ge", "greater_equal")
logical_and, logical_or, logical_xor = _binary("logical_and"), _binary("logical_or"), _binary("logical_xor")
bitwise_and, bitwise_or, bitwise_xor = _binary("bitwise_and"), _binary("bitwise_or"), _binary("bitwise_xor")
floor_divide = _binary("floor_divide")


@op
def round(input: Any, decimals: int = 0) -> Any:
    """To the nearest, ties to even."""
    return namespace(input).round(input, decimals)


@op
def rsqrt(input: Any) -> Any:
    x = _floating(input)
    return jax.lax.rsqrt(x) if isinstance(x, jax.Array) else single(1 / np.sqrt(x), x)


@op
def reciprocal(input: Any) -> Any:
    return single(1 / _floating(input), input)


@op
def add(input: Any, other: Any, alpha: Any = 1) -> Any:
    return input + other if alpha == 1 else input + alpha * other


@op
def sub(input: Any, other: Any, alpha: Any = 1) -> Any:
    return input - other if alpha == 1 else input - alpha * other


@op
def subtract(input: Any, other: Any, alpha: Any = 1) -> Any:
    return sub(input, other, alpha)


@op
def rsub(input: Any, other: Any, alpha: Any = 1) -> Any:
    return other - alpha * input


@op
def mul(input: Any, other: Any) -> Any:
    return input * other


@op
def multiply(input: Any, other: Any) -> Any:
    return input * other


@op
def div(input: Any, other: Any, rounding_mode: str | None = None) -> Any:
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode == "trunc":
        quotient = trunc(input / other)
        whole = all(not hasattr(x, "dtype") or not is_floating(x) for x in (input, other))
        return cast(quotient, input.dtype) if whole and hasattr(input, "dtype") else quotient
    return single(input / other, input, other)


@op
def divide(input: Any, other: Any, rounding_mode: str | None = None) -> Any:
    return div(input, other, rounding_mode)


@op
def true_divide(input: Any, other: Any) -> Any:
    return single(input / other, input, other)


@op
def pow(input: Any, exponent: Any) -> Any:
    return single(input**exponent, input, exponent)


@op
def float_power(input: Any, exponent: Any) -> Any:
    return single(_floating(input) ** exponent, input)


@op
def addcmul(input: Any, tensor1: Any, tensor2: Any, value: Any = 1) -> Any:
    return input + value * tensor1 * tensor2


@op
def addcdiv(input: Any, tensor1: Any, tensor2: Any, value: Any = 1) -> Any:
    return input + value * (tensor1 / tensor2)


@op
def lerp(input: Any, end: Any, weight: Any) -> Any:
    return input + weight * (end - input)


@op
def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    """The upper bound wins where the bounds cross, as in PyTorch."""
    xp = namespace(input, min, max)
    # Comparisons, not maximum and minimum: an element on the bound passes its whole gradient.
    if min is not None:
        input = xp.where(input < min, xp.asarray(min).astype(_joint(input, min)), input)
    if max is not None:
        input = xp.where(input > max, xp.asarray(max).astype(_joint(input, max)), input)
    return input


def _joint(input: Any, bound: Any) -> Any:
    """A bound that is a Python number never widens a floating-point tensor."""
    return input.dtype if not hasattr(bound, "dtype") else np.result_type(input.dtype, bound.dtype)


@op
def clip(input: Any, min: Any = None, max: Any = None) -> Any:
    return clamp(input, min, max)


@op
def clamp_min(input: Any, min: Any) -> Any:
    return clamp(input, min)


@op
def clamp_max(input: Any, max: Any) -> Any:
    return clamp(input, None, max)


@op
def where(condition: Any, input: Any, other: Any) -> Any:
    """The three-argument form; the other one returns a shape that depends on data."""
    return single(namespace(condition, input, other).where(condition, input, other), input, other)


@op
def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    xp = namespace(input, mask, value)
    return xp.where(mask, xp.asarray(value, input.dtype), input)


@op
def erf(input: Any) -> Any:
    return jax.lax.erf(jnp.asarray(_floating(input)))


@op
def erfinv(input: Any) -> Any:
    return jax.lax.erf_inv(jnp.asarray(_floating(input)))


@op
def sigmoid(input: Any) -> Any:
    x = _floating(input)
    return jax.lax.logistic(x) if isinstance(x, jax.Array) else single(1 / (1 + np.exp(-x)), x)


@op
def logit(input: Any, eps: float | None = None) -> Any:
    x = _floating(input) if eps is None else clamp(_floating(input), eps, 1 - eps)
    return log(x / (1 - x))


@op
def nan_to_num(input: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    return namespace(input).nan_to_num(input, nan=nan, posinf=posinf, neginf=neginf)


@op
def isclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    return namespace(input, other).isclose(input, other, rtol, atol, equal_nan)


@function
def view_as_complex(input: Any) -> Any:
    return input[..., 0] + 1j * input[..., 1]


@function
def view_as_real(input: Any) -> Any:
    xp = namespace(input)
    return xp.stack([xp.real(input), xp.imag(input)], -1)


@function
def polar(abs: Any, angle: Any) -> Any:
    xp = namespace(abs, angle)
    return abs * (xp.cos(angle) + 1j * xp.sin(angle))


@op
def detach(input: Any) -> Any:
    return jax.lax.stop_gradient(input) if isinstance(input, jax.Array) else input


__all__ = public(globals())
