"""Pooling with PyTorch's rules for `ceil_mode`, divisors and adaptive windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from translators.diagnostics import Refused
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
    if return_indices:
        raise Refused("R10", "max pooling with return_indices")
    x, kernel = jnp.asarray(input), pair_of(kernel_size, spatial)
    stride, _, dilation, margins, _ = _windows(x, kernel, stride, padding, dilation, ceil_mode)
    lowest = -jnp.inf if jnp.issubdtype(x.dtype, jnp.floating) else jnp.iinfo(x.dtype).min
    if all(d == 1 for d in dilation):
        return _reduce(x, lowest, lax.max, kernel, stride, margins, dilation)
    # Dilated windows have no gradient rule in JAX: take the largest of shifted slices.
    lead = x.ndim - spatial
    x = lax.pad(x, np.asarray(lowest, x.dtype), [(0, 0, 0)] * lead + [(low, high, 0) for low, high in margins])
    sizes = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(x.shape[lead:], kernel, stride, dilation)]
    shifted = []
    for position in np.ndindex(*kernel):
        index = [slice(p * d, p * d + (n - 1) * s + 1, s) for p, d, n, s in zip(position, dilation, sizes, stride)]
        shifted.append(x[(..., *index)])
    return jnp.max(jnp.stack(shifted), axis=0)


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
    x, kernel = jnp.asarray(input), pair_of(kernel_size, spatial)
    stride, _, dilation, margins, _ = _windows(x, kernel, stride, 0, 1, ceil_mode)
    return _reduce(x**norm_type, 0, lax.add, kernel, stride, margins, dilation) ** (1.0 / norm_type)


@function
def lp_pool2d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    return _lp_pool(input, norm_type, 2, kernel_size, stride, ceil_mode)


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
    if return_indices:
        raise Refused("R10", "adaptive max pooling with return_indices")
    x = jnp.asarray(input)
    for axis, s in zip(range(x.ndim - spatial, x.ndim), _targets(x, output_size, spatial)):
        bounds = _bounds(x.shape[axis], s)
        if x.shape[axis] == s:
            continue
        pieces = [jnp.max(lax.slice_in_dim(x, start, end, axis=axis), axis=axis) for start, end in bounds]
        x = jnp.stack(pieces, axis=axis)
    return x


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


__all__ = public(globals())
