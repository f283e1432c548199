"""Gathering and scattering by index. Indices are int64 tensors; NumPy ones stay constants."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from translators.runtime.arrays import namespace, op, public


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
def scatter(input: Any, dim: int, index: Any, src: Any = None, value: Any = None) -> Any:
    """Writes `src` (a tensor or a number) at `index` along `dim`."""
    source = value if src is None else src
    if hasattr(source, "ndim") and source.ndim:
        source = source[tuple(slice(n) for n in index.shape)]
    return jnp.asarray(input).at[_grid(index, dim)].set(source)


@op
def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    return jnp.asarray(input).at[_grid(index, dim)].add(src[tuple(slice(n) for n in index.shape)])


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
def one_hot(input: Any, num_classes: int) -> Any:
    return jax.nn.one_hot(input, num_classes, dtype=jnp.int32)


@op
def searchsorted(sorted_sequence: Any, input: Any, right: bool = False) -> Any:
    return namespace(sorted_sequence, input).searchsorted(sorted_sequence, input, side="right" if right else "left")


@op
def bucketize(input: Any, boundaries: Any, right: bool = False) -> Any:
    return searchsorted(boundaries, input, right=right)


__all__ = public(globals())
