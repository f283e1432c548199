"""Pooling with PyTorch's rules for `ceil_mode`, divisors and adaptive windows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from translators.runtime.arrays import function, pair_of, public


def _outputs(n: int, kernel: int, stride: int, pad: int, dilation: int, ceil_mode: bool) -> int:
    """Number of windows along an axis; with ceil_mode the last one must start inside the input or its left padding."""
    span = n + 2 * pad - dilation * (kernel - 1) - 1
    count = (span + (stride - 1 if ceil_mode else 0)) // stride + 1
    return count - 1 if ceil_mode and (count - 1) * stride >= n + pad else count


def _windows(x: jax.Array, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> tuple:
    """Per spatial axis: kernel, stride, dilation, (left, right) padding and number of windows."""
    spatial = len(kernel)
    stride = kernel if stride is None or stride == [] else pair_of(stride, spatial)
    padding, dilation = pair_of(padding, spatial), pair_of(dilation, spatial)
    counts, margins = [], []
    for n, k, s, p, d in zip(x.shape[-spatial:], kernel, stride, padding, dilation):
        count = _outputs(n, k, s, p, d, ceil_mode)
        if count < 1:
            raise ValueError(f"pooling of input {x.shape} in windows of {tuple(kernel)} leaves nothing")
        counts.append(count)
        margins.append((p, (count - 1) * s + d * (k - 1) + 1 - n - p))
    return stride, padding, dilation, margins, counts


def _reduce(
    x: jax.Array, start: Any, operation: Callable, kernel: Any, stride: Any, margins: Any, dilation: Any
) -> jax.Array:
    lead = x.ndim - len(kernel)
    # A negative right margin (windows that end before the input does) crops.
    x = lax.pad(x, np.asarray(start, x.dtype), [(0, 0, 0)] * lead + [(low, high, 0) for low, high in margins])
    ones = (1,) * lead
    return lax.reduce_window(
        x, np.asarray(start, x.dtype), operation, (*ones, *kernel), (*ones, *stride), "VALID",
        window_dilation=(*ones, *dilation),
    )  # fmt: skip


def _max_pool(
    input: Any,
    spatial: int,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    x, kernel = jnp.asarray(input), pair_of(kernel_size, spatial)
    stride, padding, dilation, margins, counts = _windows(x, kernel, stride, padding, dilation, ceil_mode)
    lowest = -jnp.inf if jnp.issubdtype(x.dtype, jnp.floating) else jnp.iinfo(x.dtype).min
    if not return_indices and all(d == 1 for d in dilation):
        return _reduce(x, lowest, lax.max, kernel, stride, margins, dilation)
    # Dilated windows have no gradient rule in JAX, and windows no argmax: take the largest of shifted slices.
    lead = x.ndim - spatial
    padded = lax.pad(x, np.asarray(lowest, x.dtype), [(0, 0, 0)] * lead + [(low, high, 0) for low, high in margins])
    shifted, places = [], []
    for position in np.ndindex(*kernel):
        starts = [p * d for p, d in zip(position, dilation)]
        index = [slice(a, a + (n - 1) * s + 1, s) for a, n, s in zip(starts, counts, stride)]
        shifted.append(padded[(..., *index)])
        axes = [np.arange(n) * s + a - p for n, s, a, p in zip(counts, stride, starts, padding)]
        places.append(np.ravel_multi_index(np.meshgrid(*axes, indexing="ij"), x.shape[lead:], mode="clip"))
    stacked = jnp.stack(shifted)
    if not return_indices:
        return jnp.max(stacked, axis=0)
    best = jnp.argmax(stacked, axis=0)
    every = jnp.broadcast_to(np.stack(places).reshape(-1, *(1,) * lead, *counts), stacked.shape)
    values, indices = (jnp.take_along_axis(a, best[None], 0)[0] for a in (stacked, every))
    return values, indices


@function
def max_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    return _max_pool(input, 1, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@function
def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    return _max_pool(input, 2, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@function
def max_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    return _max_pool(input, 3, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _divisors(n: int, kernel: int, stride: int, pad: int, count: int, include: bool) -> np.ndarray:
    """Elements per window: padding counts if `include`, but what ceil_mode adds beyond it never does."""
    starts = np.arange(count) * stride - pad
    ends = np.minimum(starts + kernel, n + pad)
    if not include:
        starts, ends = np.maximum(starts, 0), np.minimum(ends, n)
    return ends - starts


def _avg_pool(
    input: Any, spatial: int, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool, include: bool, divisor: Any
) -> Any:
    x, kernel = jnp.asarray(input), pair_of(kernel_size, spatial)
    stride, padding, dilation, margins, counts = _windows(x, kernel, stride, padding, 1, ceil_mode)
    total = _reduce(x, 0, lax.add, kernel, stride, margins, dilation)
    if divisor is not None:
        return total / divisor
    sizes = zip(x.shape[-spatial:], kernel, stride, padding, counts)
    axes = [_divisors(n, k, s, p, count, include) for n, k, s, p, count in sizes]
    elements = np.asarray(1)
    for axis in axes:
        elements = elements[..., None] * axis
    return total / elements.reshape(counts).astype(x.dtype)


@function
def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    return _avg_pool(input, 1, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@function
def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: Any = None,
) -> Any:
    return _avg_pool(input, 2, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@function
def avg_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: Any = None,
) -> Any:
    return _avg_pool(input, 3, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _lp_pool(input: Any, norm_type: float, spatial: int, kernel_size: Any, stride: Any, ceil_mode: bool) -> Any:
    """By way of averages, as PyTorch does, whose divisors count in windows that reach over the border."""
    average = _avg_pool(input**norm_type, spatial, kernel_size, stride, 0, ceil_mode, True, None)
    total = jax.nn.relu(average) * math.prod(pair_of(kernel_size, spatial))
    return total ** (1.0 / norm_type)


@function
def lp_pool1d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    return _lp_pool(input, norm_type, 1, kernel_size, stride, ceil_mode)


@function
def lp_pool2d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    return _lp_pool(input, norm_type, 2, kernel_size, stride, ceil_mode)


@function
def lp_pool3d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    return _lp_pool(input, norm_type, 3, kernel_size, stride, ceil_mode)


def _max_unpool(
    input: Any, indices: Any, spatial: int, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> Any:
    """Values at the places that max pooling found them; zero elsewhere."""
    kernel = pair_of(kernel_size, spatial)
    stride = kernel if stride is None or stride == [] else pair_of(stride, spatial)
    padding = pair_of(padding, spatial)
    sizes = [(n - 1) * s - 2 * p + k for n, k, s, p in zip(input.shape[-spatial:], kernel, stride, padding)]
    sizes = sizes if output_size is None else [int(n) for n in output_size][-spatial:]
    lead = input.shape[:-spatial]
    flat = jnp.zeros((*lead, math.prod(sizes)), input.dtype)
    rows = jnp.put_along_axis(
        flat, indices.reshape(*lead, -1), input.reshape(*lead, -1), axis=-1, inplace=False, mode="drop"
    )
    return rows.reshape(*lead, *sizes)


@function
def max_unpool1d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    return _max_unpool(input, indices, 1, kernel_size, stride, padding, output_size)


@function
def max_unpool2d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    return _max_unpool(input, indices, 2, kernel_size, stride, padding, output_size)


@function
def max_unpool3d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    return _max_unpool(input, indices, 3, kernel_size, stride, padding, output_size)


def _bounds(n: int, s: int) -> list[tuple[int, int]]:
    """Windows [floor(i n / s), ceil((i + 1) n / s))."""
    return [(i * n // s, -(-(i + 1) * n // s)) for i in range(s)]


def _targets(x: jax.Array, output_size: Any, spatial: int) -> list[int]:
    """None keeps the size of an axis."""
    given: Sequence[Any] = pair_of(output_size, spatial)
    return [n if s is None else s for n, s in zip(x.shape[-spatial:], given)]


def _adaptive_avg(input: Any, output_size: Any, spatial: int) -> Any:
    x = jnp.asarray(input)
    targets = _targets(x, output_size, spatial)
    if all(s == 1 for s in targets):
        return jnp.mean(x, axis=tuple(range(-spatial, 0)), keepdims=True)
    for axis, s in zip(range(x.ndim - spatial, x.ndim), targets):
        n = x.shape[axis]
        if n == s:
            continue
        if n % s == 0:
            x = jnp.mean(x.reshape(*x.shape[:axis], s, n // s, *x.shape[axis + 1 :]), axis=axis + 1)
            continue
        average = np.zeros((s, n), np.float32)
        for i, (start, end) in enumerate(_bounds(n, s)):
            average[i, start:end] = 1 / (end - start)
        moved = jnp.matmul(jnp.moveaxis(x, axis, -1), average.T.astype(x.dtype), precision="highest")
        x = jnp.moveaxis(moved, -1, axis)
    return x


def _adaptive_max(input: Any, output_size: Any, spatial: int, return_indices: bool) -> Any:
    x = jnp.asarray(input)
    if return_indices:
        return _adaptive_max_with_indices(x, _targets(x, output_size, spatial))
    for axis, s in zip(range(x.ndim - spatial, x.ndim), _targets(x, output_size, spatial)):
        bounds = _bounds(x.shape[axis], s)
        if x.shape[axis] == s:
            continue
        pieces = [jnp.max(lax.slice_in_dim(x, start, end, axis=axis), axis=axis) for start, end in bounds]
        x = jnp.stack(pieces, axis=axis)
    return x


def _adaptive_max_with_indices(x: jax.Array, targets: Sequence[int]) -> tuple:
    """Values and their places in the flattened plane."""
    lead, plane = x.shape[: -len(targets)], x.shape[-len(targets) :]
    places = np.arange(math.prod(plane)).reshape(plane)
    values, indices = [], []
    for cell in itertools.product(*(_bounds(n, s) for n, s in zip(plane, targets))):
        window: Any = (..., *(slice(start, end) for start, end in cell))
        content = x[window].reshape(*lead, -1)
        best = jnp.argmax(content, axis=-1, keepdims=True)
        values.append(jnp.take_along_axis(content, best, -1)[..., 0])
        indices.append(jnp.asarray(places[window].reshape(-1))[best[..., 0]])
    return tuple(jnp.stack(found, -1).reshape(*lead, *targets) for found in (values, indices))


@function
def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    return _adaptive_avg(input, output_size, 1)


@function
def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    return _adaptive_avg(input, output_size, 2)


@function
def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    return _adaptive_avg(input, output_size, 3)


@function
def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    return _adaptive_max(input, output_size, 1, return_indices)


@function
def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    return _adaptive_max(input, output_size, 2, return_indices)


@function
def adaptive_max_pool3d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    return _adaptive_max(input, output_size, 3, return_indices)


def _with_indices(pool: Callable) -> Any:
    def apply(*args: Any, **kwargs: Any) -> tuple:
        return pool(*args, **kwargs, return_indices=True)

    apply.__name__ = apply.__qualname__ = f"{pool.__name__}_with_indices"
    apply.__doc__ = f"`{pool.__name__}` with return_indices."
    return apply


max_pool1d_with_indices, max_pool2d_with_indices, max_pool3d_with_indices = map(
    _with_indices, (max_pool1d, max_pool2d, max_pool3d)
)
adaptive_max_pool1d_with_indices, adaptive_max_pool2d_with_indices, adaptive_max_pool3d_with_indices = map(
    _with_indices, (adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d)
)

__all__ = public(globals())
