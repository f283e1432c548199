"""In-place tensor methods. A NumPy array, parameter or buffer is written and returned; of a traced array the new value
is returned, and the translator rebinds the name."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from flax import nnx

from translators.diagnostics import Refused
from translators.runtime.arrays import ARRAYS, public, value
from translators.runtime.construction import draw_normal, draw_uniform, is_placeholder
from translators.runtime.tensor import elementwise, indexing, linear_algebra, reduction, shape, special


def _write(target: Any, compute: Any) -> Any:
    """Puts `compute(array)` in place of the content of `target`; abstract arrays have no content."""
    array = value(target)
    if is_placeholder(array):
        return target
    new = compute(array)
    if isinstance(array, np.ndarray) and not isinstance(new, jax.Array):
        if not array.flags.writeable:
            return np.broadcast_to(new, array.shape).astype(array.dtype)
        array[...] = new
        return target
    if isinstance(target, nnx.Variable):
        target.set_value(new)
        return target
    return new if getattr(new, "shape", None) == array.shape else jax.numpy.broadcast_to(new, array.shape)


def _in_place(function: Any) -> Any:
    """The in-place form of an operation whose first argument it writes."""
    name = f"{function.__name__}_"

    def apply(input: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(input, ARRAYS):
            return getattr(input, name)(*args, **kwargs)
        return _write(input, lambda array: function(array, *args, **kwargs).astype(array.dtype))

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = f"In-place `{function.__name__}`."
    return apply


# The operations that have an in-place form which writes their first argument.
_FORMS = {
    elementwise: """abs absolute neg negative sign sgn square exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal
        sin cos tan asin acos atan arcsin arccos arctan sinh cosh tanh asinh acosh atanh arcsinh arccosh arctanh sigmoid
        floor ceil trunc fix frac round deg2rad rad2deg nan_to_num logical_not bitwise_not conj_physical
        add sub subtract mul multiply div divide true_divide floor_divide fmod remainder pow float_power
        atan2 arctan2 copysign hypot ldexp heaviside gcd lcm nextafter addcmul addcdiv lerp clamp clip clamp_min
        clamp_max eq ne not_equal lt less le less_equal gt greater ge greater_equal logical_and logical_or logical_xor
        bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift masked_fill""",
    special: "erf erfc erfinv logit lgamma digamma i0 sinc xlogy igamma igammac",
    reduction: "cumsum cumprod",
    indexing: """scatter scatter_add scatter_reduce index_copy index_add index_fill index_put masked_scatter put""",
    linear_algebra: "addmm addmv addr addbmm baddbmm",
    shape: "tril triu",
}
globals().update({f"{name}_": _in_place(vars(room)[name]) for room, names in _FORMS.items() for name in names.split()})


def zero_(input: Any) -> Any:
    return _write(input, np.zeros_like if not isinstance(value(input), jax.Array) else jax.numpy.zeros_like)


def fill_(input: Any, number: Any) -> Any:
    return _write(
        input, lambda array: (np if not isinstance(array, jax.Array) else jax.numpy).full_like(array, value(number))
    )


def copy_(input: Any, src: Any, non_blocking: bool = False) -> Any:
    source = value(src)
    return _write(input, lambda array: source.astype(array.dtype) if hasattr(source, "astype") else source)


def normal_(input: Any, mean: float = 0.0, std: float = 1.0) -> Any:
    return _write(input, lambda array: draw_normal(array.shape, mean, std, array.dtype))


def uniform_(input: Any, *bounds: float, **named: float) -> Any:
    """`uniform_(from=0, to=1)`."""
    low, high = (*bounds, *(0.0, 1.0)[len(bounds) :])
    low, high = named.get("a", named.get("from", low)), named.get("b", named.get("to", high))
    return _write(input, lambda array: draw_uniform(array.shape, low, high, array.dtype))


def bernoulli_(input: Any, p: float = 0.5) -> Any:
    return _write(input, lambda array: (draw_uniform(array.shape) < value(p)).astype(array.dtype))


def exponential_(input: Any, lambd: float = 1.0) -> Any:
    return _write(input, lambda array: -elementwise.log1p(-draw_uniform(array.shape, dtype=array.dtype)) / lambd)


def log_normal_(input: Any, mean: float = 1.0, std: float = 2.0) -> Any:
    return _write(input, lambda array: elementwise.exp(draw_normal(array.shape, mean, std, array.dtype)))


def random_(input: Any, *bounds: int) -> Any:
    """Whole numbers from [0, to) or [from, to)."""
    if not bounds:
        raise Refused("R10", "random_() over the whole range of a type")
    low, high = (0, *bounds)[-2:]
    return _write(
        input, lambda array: elementwise.floor(draw_uniform(array.shape, float(low), float(high))).astype(array.dtype)
    )


def fill_diagonal_(input: Any, fill_value: Any, wrap: bool = False) -> Any:
    """A matrix, or a hypercube along its main diagonal."""
    if wrap:
        raise Refused("R10", "fill_diagonal_ with wrap=True")
    positions = np.arange(min(input.shape))
    return _write(input, lambda array: indexing.index_put(array, (positions,) * array.ndim, fill_value))


def requires_grad_(input: Any, requires_grad: bool = True) -> Any:
    return input.requires_grad_(requires_grad) if hasattr(input, "requires_grad_") else input


def _reshaping(function: Any) -> Any:
    """The in-place form of an operation that gives an array another shape: the translator rebinds the name."""
    name = f"{function.__name__}_"

    def apply(input: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(input, ARRAYS):
            return getattr(input, name)(*args, **kwargs)
        return function(input, *args, **kwargs)

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = f"In-place `{function.__name__}`."
    return apply


squeeze_, unsqueeze_, t_ = map(_reshaping, (shape.squeeze, shape.unsqueeze, shape.t))
transpose_, swapaxes_, swapdims_ = map(_reshaping, (shape.transpose, shape.swapaxes, shape.swapdims))


def detach_(input: Any) -> Any:
    return elementwise.detach(input)


__all__ = public(globals())
