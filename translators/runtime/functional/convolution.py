"""Convolutions and linear maps. The one place where lowering depends on the platform."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from translators.runtime.arrays import function, namespace, pair_of, public, value
from translators.runtime.construction import RUNNING, phase

platform: ContextVar[str | None] = ContextVar("platform", default=None)
"""The platform to lower for; None means JAX's default backend."""


def _on_cpu() -> bool:
    return (platform.get() or jax.default_backend()) == "cpu"


def _dense(
    x: Any, weight: Any, stride: Sequence[int], padding: Any, dilation: Sequence[int], groups: int = 1
) -> jax.Array:
    return lax.conv_general_dilated(
        x, weight, stride, padding, rhs_dilation=dilation, feature_group_count=groups, dimension_numbers=_AXES[x.ndim]
    )


_STRIP = 16  # places of the output along W that share a banded matrix, where there are more than twice as many

_AXES = {3: ("NCH", "OIH", "NCH"), 4: ("NCHW", "OIHW", "NCHW"), 5: ("NCDHW", "OIDHW", "NCDHW")}


@partial(jax.checkpoint, static_argnums=(2, 3, 4, 5))  # the rows side by side are not kept for the gradient
def _grouped(
    x: Any, weight: Any, stride: Sequence[int], padding: Any, dilation: Sequence[int], groups: int
) -> jax.Array:
    """One matrix product for each group (ours): the rows that a kernel covers, side by side, times banded matrices.

    x (N, C, ..., W), weight (O, C / groups, ...). A band holds a row of the kernel once for each place along W. XLA
    compiles grouped convolutions for the CPU into loops 9-60 times slower than one convolution of that size.
    """
    batch, _, *sizes = x.shape
    inner, *kernel = weight.shape[1:]
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation)]
    outputs = [(n + sum(p) - r) // s + 1 for n, p, r, s in zip(sizes, padding, reach, stride)]
    if outputs[-1] > 2 * _STRIP:
        return _in_strips(x, weight, stride, padding, dilation, groups, outputs[-1], reach[-1])
    x = jnp.moveaxis(x.reshape(batch, groups, inner, *sizes), (1, 2), (0, -2))  # (groups, N, ..., inner, W)
    x = jnp.pad(x, [(0, 0), (0, 0), *padding[:-1], (0, 0), (0, 0)])
    rows = []
    for position in np.ndindex(*kernel[:-1]):
        starts = [p * d for p, d in zip(position, dilation)]
        cuts = [slice(a, a + (n - 1) * s + 1, s) for a, n, s in zip(starts, outputs, stride)]
        rows.append(x[(slice(None), slice(None), *cuts[: len(position)])])
    band = _band(sizes[-1], outputs[-1], kernel[-1], stride[-1], padding[-1][0], dilation[-1])
    by_group = weight.reshape(groups, -1, inner, len(rows), kernel[-1])
    matrix = jnp.einsum("goirk,kwy->griwoy", by_group, band.astype(weight.dtype))
    covered = jnp.stack(rows, axis=-3).reshape(groups, -1, len(rows) * inner * sizes[-1])
    y = lax.batch_matmul(covered, matrix.reshape(groups, covered.shape[-1], -1))
    y = y.reshape(groups, batch, *outputs[:-1], -1, outputs[-1])
    return jnp.moveaxis(y, (0, -2), (1, 2)).reshape(batch, -1, *outputs)


def _in_strips(
    x: Any, weight: Any, stride: Sequence[int], padding: Any, dilation: Sequence[int], groups: int, outputs: int,
    reach: int,
) -> jax.Array:  # fmt: skip
    """A wide input as narrow ones that overlap: the banded matrix grows with the square of the width."""
    batch, step, low = len(x), _STRIP * stride[-1], padding[-1][0]
    strips, span = -(-outputs // _STRIP), step - stride[-1] + reach
    steps = -(-span // step)
    missing = (strips + steps - 1) * step - x.shape[-1] - low  # negative where the last inputs are never read
    x = lax.pad(x, np.zeros((), x.dtype), [*[(0, 0, 0)] * (x.ndim - 1), (low, missing, 0)])
    x = x.reshape(*x.shape[:-1], -1, step)
    x = jnp.concatenate([x[..., i : i + strips, :] for i in range(steps)], axis=-1)[..., :span]
    x = jnp.moveaxis(x, -2, 1)
    y = _grouped(x.reshape(-1, *x.shape[2:]), weight, stride, [*padding[:-1], (0, 0)], dilation, groups)
    y = jnp.moveaxis(y.reshape(batch, strips, *y.shape[1:]), 1, -2)
    return y.reshape(*y.shape[:-2], -1)[..., :outputs]


def _band(inputs: int, outputs: int, kernel: int, stride: int, low: int, dilation: int) -> np.ndarray:
    """(kernel, inputs, outputs): 1 where an input meets an element of the kernel for an output."""
    place = np.arange(outputs) * stride - low + np.arange(kernel)[:, None, None] * dilation
    return np.arange(inputs)[:, None] == place


def _in_patches(x: Any, weight: Any) -> jax.Array:
    """One matrix product of patches that do not overlap (ours). x (N, C, ...), weight (O, C, ...), strides likewise.

    XLA for the CPU computes the gradient of such a convolution in plain loops over an image that is mostly zeros.
    """
    kernel = weight.shape[2:]
    counts = [n // k for n, k in zip(x.shape[2:], kernel)]
    x = x[(..., *(slice(n * k) for n, k in zip(counts, kernel)))]
    x = x.reshape(*x.shape[:2], *(n for pair in zip(counts, kernel) for n in pair))
    inside = [1, *range(3, x.ndim, 2)]
    y = lax.dot_general(x, weight, ((inside, list(range(1, weight.ndim))), ((), ())))
    return jnp.moveaxis(y, -1, 1)


def _margins(padding: Any, kernel: Sequence[int], dilation: Sequence[int]) -> list[tuple[int, int]]:
    if padding == "valid":
        return [(0, 0)] * len(kernel)
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(kernel, dilation)]
        return [(total // 2, total - total // 2) for total in totals]
    return [(p, p) for p in pair_of(padding, len(kernel))]


def _convolution(
    input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> jax.Array:
    """x (N, C, ...) or unbatched (C, ...); weight (out, C / groups, kernel ...)."""
    spatial = weight.ndim - 2
    if input.ndim == spatial + 1:
        return _convolution(input[None], weight, bias, stride, padding, dilation, groups)[0]
    if input.ndim != weight.ndim or input.shape[1] != weight.shape[1] * groups or not weight.shape[0]:
        raise ValueError(f"convolution of input {input.shape} with weight {weight.shape} in {groups} groups")
    stride, dilation = pair_of(stride, spatial), pair_of(dilation, spatial)
    margins = _margins(padding, weight.shape[2:], dilation)
    for n, (low, high), k, d in zip(input.shape[2:], margins, weight.shape[2:], dilation):
        if n + low + high < d * (k - 1) + 1:  # XLA would go on with nothing
            raise ValueError(f"convolution of input {input.shape} with the larger weight {weight.shape}")
    dtype = jnp.result_type(input, weight)
    x, weight = jnp.asarray(input, dtype), jnp.asarray(weight, dtype)
    tiled = tuple(stride) == weight.shape[2:] != (1,) * spatial and not any(map(any, margins))
    if groups > 1 and _on_cpu():
        y = _grouped(x, weight, stride, margins, dilation, groups)
    elif tiled and set(dilation) == {1} and _on_cpu():
        y = _in_patches(x, weight)
    else:
        y = _dense(x, weight, stride, margins, dilation, groups)
    return y if bias is None else y + bias.reshape(-1, *(1,) * spatial)


@function
def conv1d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    return _convolution(input, weight, bias, stride, padding, dilation, groups)


@function
def conv2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    return _convolution(input, weight, bias, stride, padding, dilation, groups)


@function
def conv3d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    return _convolution(input, weight, bias, stride, padding, dilation, groups)


def _transposed(
    input: Any, weight: Any, bias: Any, stride: Any, padding: Any, output_padding: Any, groups: int, dilation: Any
) -> jax.Array:
    """The gradient of a convolution: input dilated by the stride, kernel flipped. weight (C, out / groups, ...)."""
    spatial = weight.ndim - 2
    if input.ndim == spatial + 1:
        return _transposed(input[None], weight, bias, stride, padding, output_padding, groups, dilation)[0]
    stride, dilation = pair_of(stride, spatial), pair_of(dilation, spatial)
    padding, extra = pair_of(padding, spatial), pair_of(output_padding, spatial)
    margins = [(d * (k - 1) - p, d * (k - 1) - p + o) for k, d, p, o in zip(weight.shape[2:], dilation, padding, extra)]
    flipped = jnp.flip(weight, range(2, weight.ndim))
    kernel = jnp.concatenate([jnp.swapaxes(part, 0, 1) for part in jnp.split(flipped, groups, axis=0)], axis=0)

    x, once = jnp.asarray(input), (1,) * spatial
    if groups > 1 and _on_cpu():
        spread = [(low, high, s - 1) for (low, high), s in zip(margins, stride)]
        x = lax.pad(x, np.zeros((), x.dtype), [(0, 0, 0), (0, 0, 0), *spread])
        y = _grouped(x, kernel, once, [(0, 0)] * spatial, dilation, groups)
    else:
        y = lax.conv_general_dilated(
            x, kernel, once, margins, stride, dilation, _AXES[x.ndim], feature_group_count=groups
        )
    return y if bias is None else y + bias.reshape(-1, *(1,) * spatial)


@function
def conv_transpose1d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Any:  # fmt: skip
    return _transposed(input, weight, bias, stride, padding, output_padding, groups, dilation)


@function
def conv_transpose2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Any:  # fmt: skip
    return _transposed(input, weight, bias, stride, padding, output_padding, groups, dilation)


@function
def conv_transpose3d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Any:  # fmt: skip
    return _transposed(input, weight, bias, stride, padding, output_padding, groups, dilation)


@function
def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """x (..., in), weight (out, in). While a module runs this is never NumPy's, whose product of an abstract module's
    parameters and a constant would be computed at full size."""
    if phase.get() == RUNNING:
        y = _product(jnp.asarray(value(input)), jnp.asarray(value(weight)))
    else:
        y = namespace(input, weight).matmul(input, weight.T)
    return y if bias is None else y + bias


def _product(x: jax.Array, weight: jax.Array) -> jax.Array:
    # As matrices: of more axes the gradient would be a product over several, for which XLA copies both operands.
    dtype = jnp.result_type(x, weight)
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1]).astype(dtype)
    y = lax.dot_general(rows, weight.astype(dtype), (((1,), (1,)), ((), ())))
    return y.reshape(*x.shape[:-1], len(weight))


@function
def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    y = jnp.einsum("...i,oij,...j->...o", input1, weight, input2)
    return y if bias is None else y + bias


__all__ = public(globals())
