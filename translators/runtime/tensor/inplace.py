"""In-place tensor methods. A NumPy array, parameter or buffer is written and returned; of a traced array the new value
is returned, and the translator rebinds the name."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from flax import nnx

from translators.runtime.arrays import ARRAYS, public, value
from translators.runtime.construction import construction, draw_normal, draw_uniform, is_placeholder
from translators.runtime.tensor import elementwise, indexing, linear_algebra, shape


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


add_, sub_, mul_, div_ = map(_in_place, (elementwise.add, elementwise.sub, elementwise.mul, elementwise.div))
pow_, neg_, abs_, sqrt_ = map(_in_place, (elementwise.pow, elementwise.neg, elementwise.abs, elementwise.sqrt))
exp_, log_, tanh_, sigmoid_ = map(_in_place, (elementwise.exp, elementwise.log, elementwise.tanh, elementwise.sigmoid))
round_, floor_, erfinv_, rsqrt_ = map(
    _in_place, (elementwise.round, elementwise.floor, elementwise.erfinv, elementwise.rsqrt)
)
addcmul_, addcdiv_, lerp_ = map(_in_place, (elementwise.addcmul, elementwise.addcdiv, elementwise.lerp))
clamp_, clip_, clamp_min_, clamp_max_ = map(
    _in_place, (elementwise.clamp, elementwise.clip, elementwise.clamp_min, elementwise.clamp_max)
)
masked_fill_ = _in_place(elementwise.masked_fill)
scatter_, scatter_add_ = _in_place(indexing.scatter), _in_place(indexing.scatter_add)
index_copy_, index_add_, index_fill_ = map(_in_place, (indexing.index_copy, indexing.index_add, indexing.index_fill))
baddbmm_, addmm_ = _in_place(linear_algebra.baddbmm), _in_place(linear_algebra.addmm)
tril_, triu_ = _in_place(shape.tril), _in_place(shape.triu)


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


def trunc_normal_(input: Any, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> Any:
    return _write(input, lambda array: _truncated(array, mean, std, a, b))


def _truncated(array: np.ndarray, mean: float, std: float, a: float, b: float) -> np.ndarray:
    """Normal numbers, drawn again where they fall outside [a, b]."""
    generator = construction().generator
    numbers = generator.standard_normal(array.shape, np.float32) * np.float32(std) + np.float32(mean)
    outside = (numbers < a) | (numbers > b)
    while outside.any():
        numbers[outside] = generator.standard_normal(int(outside.sum()), np.float32) * np.float32(std) + np.float32(
            mean
        )
        outside = (numbers < a) | (numbers > b)
    return numbers


def requires_grad_(input: Any, requires_grad: bool = True) -> Any:
    return input.requires_grad_(requires_grad) if hasattr(input, "requires_grad_") else input


def squeeze_(input: Any, dim: Any = None) -> Any:
    return shape.squeeze(input, dim) if isinstance(input, ARRAYS) else input.squeeze_(dim)


def unsqueeze_(input: Any, dim: int) -> Any:
    return shape.unsqueeze(input, dim) if isinstance(input, ARRAYS) else input.unsqueeze_(dim)


def transpose_(input: Any, dim0: int, dim1: int) -> Any:
    return shape.transpose(input, dim0, dim1) if isinstance(input, ARRAYS) else input.transpose_(dim0, dim1)


def t_(input: Any) -> Any:
    return shape.t(input) if isinstance(input, ARRAYS) else input.t_()


def detach_(input: Any) -> Any:
    return elementwise.detach(input)


__all__ = public(globals())
