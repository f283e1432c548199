"""Gathering and scattering by index. Indices are int64 tensors; NumPy ones stay constants."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from translators.diagnostics import Refused
from translators.runtime.arrays import namespace, op, public, value


def _grid(index: Any, dim: int) -> tuple:
    """One index array per axis: `index` on `dim`, positions on the others."""
    dim %= index.ndim
    grid = list(np.ogrid[tuple(slice(n) for n in index.shape)])
    grid[dim] = index
    return tuple(grid)


@op
def gather(input: Any, dim: int, index: Any) -> Any:
    return input[_grid(index, dim)] if namespace(input, index) is np else jnp.asarray(input)[_grid(index, dim)]


@op
def take_along_dim(input: Any, indices: Any, dim: int) -> Any:
    return namespace(input, indices).take_along_axis(input, indices, dim)


@op
def index_select(input: Any, dim: int, index: Any) -> Any:
    return namespace(input, index).take(input, index, axis=dim)


@op
def select(input: Any, dim: int, index: int) -> Any:
    return input[(slice(None),) * (dim % input.ndim) + (index,)]


@op
def narrow(input: Any, dim: int, start: int, length: int) -> Any:
    return input[(slice(None),) * (dim % input.ndim) + (slice(start, start + length),)]


@op
def scatter(input: Any, dim: int, index: Any, src: Any = None, value: Any = None, reduce: str | None = None) -> Any:
    """Writes `src` (a tensor or a number) at `index` along `dim`; with `reduce` it adds or multiplies."""
    source = value if src is None else src
    if reduce is not None:
        return scatter_reduce(input, dim, index, jnp.broadcast_to(source, index.shape), reduce)
    if hasattr(source, "ndim") and source.ndim:
        source = source[tuple(slice(n) for n in index.shape)]
    return jnp.asarray(input).at[_grid(index, dim)].set(source)


@op
def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    return jnp.asarray(input).at[_grid(index, dim)].add(src[tuple(slice(n) for n in index.shape)])


_REDUCTIONS = {"sum": "add", "add": "add", "prod": "multiply", "multiply": "multiply", "amax": "max", "amin": "min"}


@op
def scatter_reduce(input: Any, dim: int, index: Any, src: Any, reduce: str, include_self: bool = True) -> Any:
    """Combines what meets at one place: sum, prod, mean, amax or amin, with what was there before or without."""
    array, grid = jnp.asarray(input), _grid(index, dim)
    src = src[tuple(slice(n) for n in index.shape)]
    if reduce == "mean":
        total = scatter_reduce(array, dim, index, src, "sum", include_self)
        count = jnp.full(array.shape, int(include_self), array.dtype).at[grid].add(1)
        mean = total / jnp.maximum(count, 1)
        return mean if jnp.issubdtype(array.dtype, jnp.inexact) else jnp.floor(mean).astype(array.dtype)
    if reduce not in _REDUCTIONS:
        raise Refused("R10", f"scatter_reduce with {reduce!r}")
    if not include_self:
        whole = jnp.issubdtype(array.dtype, jnp.integer)
        low, high = (jnp.iinfo(array.dtype).min, jnp.iinfo(array.dtype).max) if whole else (-jnp.inf, jnp.inf)
        neutral = {"add": 0, "multiply": 1, "max": low, "min": high}[_REDUCTIONS[reduce]]
        array = array.at[grid].set(jnp.asarray(neutral, array.dtype))
    return getattr(array.at[grid], _REDUCTIONS[reduce])(src)


@op
def select_scatter(input: Any, src: Any, dim: int, index: int) -> Any:
    return jnp.asarray(input).at[_along(dim, input.ndim, index)].set(src)


@op
def slice_scatter(input: Any, src: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    return jnp.asarray(input).at[_along(dim, input.ndim, slice(start, end, step))].set(src)


@op
def diagonal_scatter(input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    moved = jnp.moveaxis(jnp.asarray(input), (dim1, dim2), (-2, -1))
    places = np.arange(src.shape[-1])
    written = moved.at[..., places + max(0, -offset), places + max(0, offset)].set(src)
    return jnp.moveaxis(written, (-2, -1), (dim1, dim2))


@op
def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """`x[indices] = values`, or the sum where places repeat."""
    places = tuple(value(index) for index in indices)
    values = jnp.asarray(values, input.dtype)
    if any(getattr(place, "dtype", None) == np.bool_ for place in places):
        if len(places) > 1 or values.ndim:
            raise Refused("R04", "index_put of several values under a mask")
        mask = places[0].reshape(places[0].shape + (1,) * (input.ndim - places[0].ndim))
        return jnp.where(mask, input + values if accumulate else values, input)
    array = jnp.asarray(input)
    return array.at[places].add(values) if accumulate else array.at[places].set(values)


@op
def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """Where the mask is true, the elements of `source` one after another."""
    mask = jnp.broadcast_to(mask, input.shape)
    places = jnp.cumsum(mask.reshape(-1)) - 1
    values = jnp.take(jnp.asarray(source).reshape(-1), jnp.maximum(places, 0), mode="clip").reshape(input.shape)
    return jnp.where(mask, values, input)


@op
def take(input: Any, index: Any) -> Any:
    """Of the flattened tensor."""
    return namespace(input, index).take(input.reshape(-1), index)


@op
def put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """Writes into the flattened tensor."""
    return index_put(input.reshape(-1), (index.reshape(-1),), source.reshape(-1), accumulate).reshape(input.shape)


@op
def isin(elements: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False) -> Any:
    return namespace(elements, test_elements).isin(elements, test_elements, invert=invert)


@op
def unravel_index(indices: Any, shape: Any) -> tuple:
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    return tuple(namespace(indices).unravel_index(indices, sizes))


def _along(dim: int, ndim: int, index: Any) -> tuple:
    return (slice(None),) * (dim % ndim) + (index,)


@op
def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    return jnp.asarray(input).at[_along(dim, input.ndim, index)].set(source)


@op
def index_add(input: Any, dim: int, index: Any, source: Any, alpha: Any = 1) -> Any:
    return jnp.asarray(input).at[_along(dim, input.ndim, index)].add(alpha * source)


@op
def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    return jnp.asarray(input).at[_along(dim, input.ndim, index)].set(value)


@op
def bincount(input: Any, minlength: int = 0) -> Any:
    """Of constants: the length depends on the largest value."""
    return np.bincount(np.asarray(input), minlength=minlength)


@op
def searchsorted(
    sorted_sequence: Any, input: Any, out_int32: bool = False, right: bool = False, side: str | None = None,
    sorter: Any = None,
) -> Any:  # fmt: skip
    """Places in each sorted row, or of any tensor in one sorted row."""
    if sorter is not None:
        raise Refused("R10", "searchsorted with sorter")
    side = side or ("right" if right else "left")
    if not hasattr(input, "shape"):
        input = np.asarray(input, sorted_sequence.dtype)
    if sorted_sequence.ndim == 1:
        found = namespace(sorted_sequence, input).searchsorted(sorted_sequence, input, side=side)
    else:
        rows, wanted = (jnp.asarray(x).reshape(-1, x.shape[-1]) for x in (sorted_sequence, input))
        found = jax.vmap(lambda row, x: jnp.searchsorted(row, x, side=side))(rows, wanted).reshape(input.shape)
    return found.astype(np.int32) if out_int32 else found


@op
def bucketize(input: Any, boundaries: Any, out_int32: bool = False, right: bool = False) -> Any:
    return searchsorted(boundaries, input, out_int32, right)


__all__ = public(globals())
