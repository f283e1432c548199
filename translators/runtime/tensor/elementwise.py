"""Element-wise functions. NumPy in, NumPy out; anything traced goes through JAX."""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np

from translators.diagnostics import Refused
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
asinh, acosh, atanh = _unary("asinh", "arcsinh"), _unary("acosh", "arccosh"), _unary("atanh", "arctanh")
arcsin, arccos, arctan = _unary("arcsin"), _unary("arccos"), _unary("arctan")
arcsinh, arccosh, arctanh = _unary("arcsinh"), _unary("arccosh"), _unary("arctanh")
exp, expm1, exp2 = _unary("exp"), _unary("expm1"), _unary("exp2")
log, log2, log10, log1p = _unary("log"), _unary("log2"), _unary("log10"), _unary("log1p")
sqrt = _unary("sqrt")
deg2rad, rad2deg = _unary("deg2rad"), _unary("rad2deg")


def _same_kind(name: str, numpy_name: str | None = None) -> Any:
    """A function that keeps integers integers."""
    return _unary(name, numpy_name, floating=False)


abs, absolute = _same_kind("abs"), _same_kind("absolute", "abs")
neg, negative, positive = _same_kind("neg", "negative"), _same_kind("negative"), _same_kind("positive")
sign, square = _same_kind("sign"), _same_kind("square")
floor, ceil, trunc, fix = _same_kind("floor"), _same_kind("ceil"), _same_kind("trunc"), _same_kind("fix", "trunc")
isnan, isinf, isfinite = _same_kind("isnan"), _same_kind("isinf"), _same_kind("isfinite")
isposinf, isneginf, isreal = _same_kind("isposinf"), _same_kind("isneginf"), _same_kind("isreal")
logical_not, bitwise_not = _same_kind("logical_not"), _same_kind("bitwise_not", "invert")
real, imag, angle = _same_kind("real"), _same_kind("imag"), _unary("angle")
conj, conj_physical = _same_kind("conj"), _same_kind("conj_physical", "conj")

maximum, minimum, fmax, fmin = _binary("maximum"), _binary("minimum"), _binary("fmax"), _binary("fmin")
fmod, remainder = _binary("fmod"), _binary("remainder")
atan2, arctan2 = _binary("atan2", "arctan2"), _binary("arctan2")
copysign, hypot, nextafter = _binary("copysign"), _binary("hypot"), _binary("nextafter")
logaddexp, logaddexp2 = _binary("logaddexp"), _binary("logaddexp2")
heaviside, gcd, lcm = _binary("heaviside"), _binary("gcd"), _binary("lcm")
eq, ne, not_equal = _binary("eq", "equal"), _binary("ne", "not_equal"), _binary("not_equal")
lt, less, le, less_equal = _binary("lt", "less"), _binary("less"), _binary("le", "less_equal"), _binary("less_equal")
gt, greater = _binary("gt", "greater"), _binary("greater")
ge, greater_equal = _binary("ge", "greater_equal"), _binary("greater_equal")
logical_and, logical_or, logical_xor = _binary("logical_and"), _binary("logical_or"), _binary("logical_xor")
bitwise_and, bitwise_or, bitwise_xor = _binary("bitwise_and"), _binary("bitwise_or"), _binary("bitwise_xor")
bitwise_left_shift = _binary("bitwise_left_shift", "left_shift")
bitwise_right_shift = _binary("bitwise_right_shift", "right_shift")
floor_divide = _binary("floor_divide")


@op
def sgn(input: Any) -> Any:
    """The sign; of complex numbers the direction."""
    return sign(input)


@op
def frac(input: Any) -> Any:
    return input - trunc(input)


@op
def signbit(input: Any) -> Any:
    return input < 0 if not is_floating(input) else namespace(input).signbit(input)


@op
def ldexp(input: Any, other: Any) -> Any:
    return input * exp2(_floating(other))


@op
def is_nonzero(input: Any) -> bool:
    if isinstance(input, jax.core.Tracer):
        raise Refused("R04", "is_nonzero() of a traced tensor")
    return bool(input)


@op
def resolve_conj(input: Any) -> Any:
    return input


@op
def resolve_neg(input: Any) -> Any:
    return input


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
    if any(isinstance(bound, float) for bound in (min, max)) and not is_floating(input):
        input = cast(input, np.float32)
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
def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """The three-argument form; the other one has a result whose shape depends on data."""
    if input is None:
        raise Refused("R04", "where() of a condition alone")
    return single(namespace(condition, input, other).where(condition, input, other), input, other)


@op
def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    xp = namespace(input, mask, value)
    return xp.where(mask, xp.asarray(value, input.dtype), input)


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
    if isinstance(input, (tuple, list)):
        return type(input)(map(detach, input))
    return jax.lax.stop_gradient(input) if isinstance(input, jax.Array) else input


__all__ = public(globals())
