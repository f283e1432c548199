"""Convolutions and linear maps. The one place where lowering depends on the platform."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from translators.runtime.arrays import function, namespace, pair_of, public

platform: ContextVar[str | None] = ContextVar("platform", default=None)
"""The platform to lower for; None means JAX's default backend."""

_MOST_TAPS = 49  # a depthwise kernel larger than this costs more to compile as shifts than it gains


def _on_cpu() -> bool:
    return (platform.get() or jax.default_backend()) == "cpu"


def _dense(
    x: Any, weight: Any, stride: Sequence[int], padding: Any, dilation: Sequence[int], groups: int = 1
) -> jax.Array:
    return lax.conv_general_dilated(
        x, weight, stride, padding, rhs_dilation=dilation, feature_group_count=groups, dimension_numbers=_AXES[x.ndim]
    )


_AXES = {3: ("NCH", "OIH", "NCH"), 4: ("NCHW", "OIHW", "NCHW"), 5: ("NCDHW", "OIDHW", "NCDHW")}


def _depthwise(x: Any, weight: Any, stride: Sequence[int], padding: Any, dilation: Sequence[int]) -> jax.Array:
    """One multiply-add per kernel position over shifted inputs. x (N, C, ...), weight (C * m, 1, ...)."""
    multiplier = weight.shape[0] // x.shape[1]
    x = lax.pad(x, np.zeros((), x.dtype), [(0, 0, 0), (0, 0, 0), *((low, high, 0) for low, high in padding)])
    if multiplier > 1:
        x = jnp.repeat(x, multiplier, axis=1)
    kernel = weight.shape[2:]
    sizes = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(x.shape[2:], kernel, stride, dilation)]
    total = None
    for position in np.ndindex(*kernel):
        starts = [p * d for p, d in zip(position, dilation)]
        stops = [a + (n - 1) * s + 1 for a, n, s in zip(starts, sizes, stride)]
        shifted = lax.slice(x, (0, 0, *starts), (*x.shape[:2], *stops), (1, 1, *stride))
        term = shifted * weight[(slice(None), 0, *position)].reshape(-1, *(1,) * len(kernel))
        total = term if total is None else total + term
    assert total is not None
    return total


def _grouped(
    x: Any, weight: Any, stride: Sequence[int], padding: Any, dilation: Sequence[int], groups: int
) -> jax.Array:
    """XLA compiles grouped convolutions for the CPU into loops 9-60 times slower than these."""
    if groups == x.shape[1] and np.prod(weight.shape[2:]) <= _MOST_TAPS:
        return _depthwise(x, weight, stride, padding, dilation)
    pieces = zip(jnp.split(x, groups, axis=1), jnp.split(weight, groups, axis=0))
    return jnp.concatenate([_dense(a, b, stride, padding, dilation) for a, b in pieces], axis=1)


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
    if groups > 1 and _on_cpu():
        y = _grouped(x, weight, stride, margins, dilation, groups)
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

    def one(x: Any, w: Any, feature_groups: int) -> jax.Array:
        return lax.conv_general_dilated(
            x, w, (1,) * spatial, margins, stride, dilation, _AXES[x.ndim], feature_group_count=feature_groups
        )

    x = jnp.asarray(input)
    if groups > 1 and _on_cpu():
        pieces = zip(jnp.split(x, groups, axis=1), jnp.split(kernel, groups, axis=0))
        y = jnp.concatenate([one(a, b, 1) for a, b in pieces], axis=1)
    else:
        y = one(x, kernel, groups)
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
    """x (..., in), weight (out, in)."""
    y = namespace(input, weight).matmul(input, weight.T)
    return y if bias is None else y + bias


@function
def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    y = jnp.einsum("...i,oij,...j->...o", input1, weight, input2)
    return y if bias is None else y + bias


__all__ = public(globals())
