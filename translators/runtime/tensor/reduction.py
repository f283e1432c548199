"""Reductions, sorting and selection. `dim` may be absent, a number or a sequence; named pairs as in PyTorch."""

from __future__ import annotations

import builtins
from collections import namedtuple
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from translators.diagnostics import Refused
from translators.runtime.arrays import as_dtype, cast, namespace, op, public, single

_Extremes = namedtuple("_Extremes", "values indices")
_Range = namedtuple("_Range", "min max")


def _axes(dim: Any) -> Any:
    """None for all axes; PyTorch reads an empty sequence so as well."""
    if isinstance(dim, (tuple, list)):
        return tuple(int(d) for d in dim) or None
    return dim


def _wide(x: Any, dtype: Any) -> Any:
    """Sums of booleans and small integers are 64-bit integers in PyTorch."""
    if dtype is not None:
        return cast(x, as_dtype(dtype))
    return cast(x, np.int64) if x.dtype.kind in "iub" else x


@op
def sum(input: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    x = _wide(input, dtype)
    return namespace(x).sum(x, axis=_axes(dim), keepdims=keepdim)


@op
def nansum(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return namespace(input).nansum(input, axis=_axes(dim), keepdims=keepdim)


@op
def mean(input: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    x = input if dtype is None else cast(input, dtype)
    return single(namespace(x).mean(x, axis=_axes(dim), keepdims=keepdim), x)


@op
def nanmean(input: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    x = input if dtype is None else cast(input, dtype)
    return namespace(x).nanmean(x, axis=_axes(dim), keepdims=keepdim)


@op
def prod(input: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    x = _wide(input, dtype)
    return namespace(x).prod(x, axis=_axes(dim), keepdims=keepdim)


def _freedom(unbiased: Any, correction: Any) -> Any:
    if correction is not None:
        return correction
    return 1 if unbiased is None or unbiased else 0


def _spread(input: Any, dim: Any, unbiased: Any, keepdim: bool, correction: Any) -> Any:
    if isinstance(dim, bool):  # var(input, unbiased)
        dim, unbiased = None, dim
    axes = _axes(dim)
    if isinstance(input, jax.Array):
        # Two passes by hand: jnp.var upcasts and its ddof differs for one element.
        centre = jnp.mean(input, axis=axes, keepdims=True)
        count = input.size // centre.size
        squares = jnp.sum(jnp.square(input - centre), axis=axes, keepdims=keepdim)
        return squares / builtins.max(count - _freedom(unbiased, correction), 0)
    return single(np.var(input, axis=axes, ddof=_freedom(unbiased, correction), keepdims=keepdim), input)


@op
def var(input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, correction: Any = None) -> Any:
    """Divides by n - 1 unless told otherwise."""
    return _spread(input, dim, unbiased, keepdim, correction)


@op
def std(input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, correction: Any = None) -> Any:
    """Divides by n - 1 unless told otherwise."""
    spread = _spread(input, dim, unbiased, keepdim, correction)
    return namespace(spread).sqrt(spread)


@op
def var_mean(input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, correction: Any = None) -> tuple:
    axes = None if isinstance(dim, bool) else _axes(dim)
    return (
        _spread(input, dim, unbiased, keepdim, correction),
        single(namespace(input).mean(input, axis=axes, keepdims=keepdim), input),
    )


@op
def std_mean(input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, correction: Any = None) -> tuple:
    spread, centre = var_mean(input, dim, unbiased, keepdim, correction)
    return namespace(spread).sqrt(spread), centre


@op
def amax(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    return namespace(input).max(input, axis=_axes(dim), keepdims=keepdim)


@op
def amin(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    return namespace(input).min(input, axis=_axes(dim), keepdims=keepdim)


@op
def aminmax(input: Any, dim: Any = None, keepdim: bool = False) -> _Range:
    return _Range(amin(input, dim, keepdim), amax(input, dim, keepdim))


def _extreme(input: Any, dim: Any, keepdim: bool, name: str) -> Any:
    xp = namespace(input)
    if dim is None:
        return getattr(xp, name)(input)
    indices = getattr(xp, f"arg{name}")(input, axis=dim, keepdims=True)
    values = xp.take_along_axis(input, indices, dim)
    return _Extremes(values, indices) if keepdim else _Extremes(xp.squeeze(values, dim), xp.squeeze(indices, dim))


@op
def max(input: Any, dim: Any = None, keepdim: bool = False, other: Any = None) -> Any:
    """`max(x)`, `max(x, dim)` with (values, indices), or the element-wise `max(x, other)`."""
    other = dim if hasattr(dim, "shape") and not isinstance(dim, np.integer) else other
    if other is not None:
        return namespace(input, other).maximum(input, other)
    return _extreme(input, dim, keepdim, "max")


@op
def min(input: Any, dim: Any = None, keepdim: bool = False, other: Any = None) -> Any:
    """`min(x)`, `min(x, dim)` with (values, indices), or the element-wise `min(x, other)`."""
    other = dim if hasattr(dim, "shape") and not isinstance(dim, np.integer) else other
    if other is not None:
        return namespace(input, other).minimum(input, other)
    return _extreme(input, dim, keepdim, "min")


def _argument(input: Any, dim: Any, keepdim: bool, name: str) -> Any:
    return getattr(namespace(input), name)(input, axis=dim, keepdims=keepdim)


@op
def argmax(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return _argument(input, dim, keepdim, "argmax")


@op
def argmin(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return _argument(input, dim, keepdim, "argmin")


@op
def any(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return namespace(input).any(input, axis=_axes(dim), keepdims=keepdim)


@op
def all(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return namespace(input).all(input, axis=_axes(dim), keepdims=keepdim)


@op
def cumsum(input: Any, dim: int, dtype: Any = None) -> Any:
    x = _wide(input, dtype)
    return namespace(x).cumsum(x, axis=dim)


@op
def cumprod(input: Any, dim: int, dtype: Any = None) -> Any:
    x = _wide(input, dtype)
    return namespace(x).cumprod(x, axis=dim)


@op
def logcumsumexp(input: Any, dim: int) -> Any:
    return jax.lax.cumlogsumexp(jnp.asarray(input), axis=dim % input.ndim)


def _running_extreme(input: Any, dim: int, running: Any) -> _Extremes:
    """The last of equal elements counts."""
    x = jnp.asarray(input)
    axis = dim % x.ndim
    places = jax.lax.broadcasted_iota(np.int32, x.shape, axis)
    indices = jax.lax.cummax(jnp.where(x == running(x, axis), places, 0), axis)
    return _Extremes(jnp.take_along_axis(x, indices, axis), indices)


@op
def cummax(input: Any, dim: int) -> _Extremes:
    return _running_extreme(input, dim, jax.lax.cummax)


@op
def cummin(input: Any, dim: int) -> _Extremes:
    return _running_extreme(input, dim, jax.lax.cummin)


@op
def quantile(input: Any, q: Any, dim: Any = None, keepdim: bool = False, interpolation: str = "linear") -> Any:
    """The axis of several quantiles comes first."""
    x = jnp.asarray(input)
    return jnp.quantile(x, jnp.asarray(q, x.dtype), axis=dim, keepdims=keepdim, method=interpolation)


@op
def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    ends = {name: end for name, end in (("prepend", prepend), ("append", append)) if end is not None}
    return namespace(input, *ends.values()).diff(input, n, dim, **ends)


@op
def logsumexp(input: Any, dim: Any, keepdim: bool = False) -> Any:
    return jax.nn.logsumexp(jnp.asarray(input), axis=_axes(dim), keepdims=keepdim)


@op
def norm(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """Vector norm over `dim` (all axes if absent); "fro" is the 2-norm."""
    x = input if dtype is None else cast(input, dtype)
    xp, axes = namespace(x), _axes(dim)
    p = 2 if p in ("fro", None) else p
    if p == "nuc":
        raise Refused("R10", "nuclear norm")
    size = xp.abs(x)
    if p == float("inf"):
        return xp.max(size, axis=axes, keepdims=keepdim)
    if p == float("-inf"):
        return xp.min(size, axis=axes, keepdims=keepdim)
    if p == 0:
        return xp.sum((size != 0).astype(x.dtype), axis=axes, keepdims=keepdim)
    if p == 1:
        return xp.sum(size, axis=axes, keepdims=keepdim)
    if p == 2:
        total = xp.sum(xp.square(size), axis=axes, keepdims=keepdim)
        return _root(total) if xp is jnp else np.sqrt(total)
    return xp.sum(size**p, axis=axes, keepdims=keepdim) ** (1.0 / p)


def _root(total: jax.Array) -> jax.Array:
    """Square root whose gradient at zero is zero, as that of PyTorch's 2-norm."""
    positive = total > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, total, 1)), 0)


@op
def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> _Extremes:
    ranked = sort(input, dim, descending=largest)
    first = [slice(None)] * input.ndim
    first[dim] = slice(0, k)
    return _Extremes(ranked.values[tuple(first)], ranked.indices[tuple(first)])


@op
def sort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> _Extremes:
    xp = namespace(input)
    indices = argsort(input, dim, descending)
    return _Extremes(xp.take_along_axis(input, indices, dim), indices)


@op
def argsort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """Stable: equal elements keep their order in both directions."""
    if isinstance(input, jax.Array):
        return jnp.argsort(input, axis=dim, descending=descending, stable=True)
    if descending:
        flipped = np.argsort(np.flip(input, dim), axis=dim, kind="stable")
        return input.shape[dim] - 1 - np.flip(flipped, dim)
    return np.argsort(input, axis=dim, kind="stable")


@op
def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False) -> _Extremes:
    ranked, xp = sort(input, dim), namespace(input)
    pick = [xp.take(x, k - 1, axis=dim) for x in ranked]
    return _Extremes(*(xp.expand_dims(x, dim) if keepdim else x for x in pick))


@op
def median(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The lower of the two middle elements."""
    if dim is None:
        flat = input.reshape(-1)
        return namespace(flat).sort(flat)[(flat.shape[0] - 1) // 2]
    return kthvalue(input, (input.shape[dim] - 1) // 2 + 1, dim, keepdim)


@op
def item(input: Any) -> Any:
    """The Python number of a constant; a traced one depends on data."""
    if isinstance(input, jax.core.Tracer):
        raise Refused("R04", ".item() of a traced tensor")
    return input.item()


@op
def tolist(input: Any) -> Any:
    if isinstance(input, jax.core.Tracer):
        raise Refused("R04", ".tolist() of a traced tensor")
    return np.asarray(input).tolist()


@op
def equal(input: Any, other: Any) -> bool:
    if isinstance(input, jax.core.Tracer) or isinstance(other, jax.core.Tracer):
        raise Refused("R04", "equal() of traced tensors")
    return np.array_equal(input, other)


@op
def allclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    if isinstance(input, jax.core.Tracer) or isinstance(other, jax.core.Tracer):
        raise Refused("R04", "allclose() of traced tensors")
    return builtins.bool(np.allclose(input, other, rtol, atol, equal_nan))


@op
def msort(input: Any) -> Any:
    return sort(input, 0).values


@op
def count_nonzero(input: Any, dim: Any = None) -> Any:
    return namespace(input).count_nonzero(input, axis=_axes(dim))


@op
def dist(input: Any, other: Any, p: float = 2) -> Any:
    return norm(input - other, p)


__all__ = public(globals())
