"""Normalisations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

from translators.runtime.arrays import function, public, value
from translators.runtime.standardisation import standardised, standardised_and_scaled
from translators.runtime.tensor.elementwise import clamp
from translators.runtime.tensor.reduction import norm


def _channels(parameter: Any, ndim: int) -> Any:
    return value(parameter).reshape(-1, *(1,) * (ndim - 2))


def _affine(x: Any, weight: Any, bias: Any) -> Any:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


@function
def layer_norm(
    input: Any, normalized_shape: Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    x = jnp.asarray(input)
    if tuple(x.shape[x.ndim - len(normalized_shape) :]) != tuple(normalized_shape):
        raise ValueError(f"layer_norm over {tuple(normalized_shape)} of an input {x.shape}")
    axes = tuple(range(x.ndim - len(normalized_shape), x.ndim))
    return _affine(standardised(x, axes, eps)[0], weight, bias)


@function
def rms_norm(input: Any, normalized_shape: Sequence[int], weight: Any = None, eps: float | None = None) -> Any:
    x = jnp.asarray(input)
    eps = float(jnp.finfo(x.dtype).eps) if eps is None else eps
    axes = tuple(range(-len(normalized_shape), 0))
    return _affine(x * lax.rsqrt(jnp.mean(jnp.square(x), axes, keepdims=True) + eps), weight, None)


@function
def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """x (N, C, ...); statistics over C / groups channels and all positions."""
    x = jnp.asarray(input)
    if x.shape[1] % num_groups:
        raise ValueError(f"group_norm of {x.shape[1]} channels in {num_groups} groups")
    grouped = x.reshape(x.shape[0], num_groups, -1)
    y = standardised(grouped, (2,), eps)[0].reshape(x.shape)
    return _affine(y, *(None if p is None else _channels(p, x.ndim) for p in (weight, bias)))


def _blend(statistic: Any, new: jax.Array, momentum: float) -> None:
    """running = (1 - momentum) running + momentum new, where running is a buffer."""
    if isinstance(statistic, nnx.Variable):
        old = statistic[...]
        statistic.set_value(((1 - momentum) * old + momentum * lax.stop_gradient(new)).astype(old.dtype))


def batch_norm(
    input: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    """x (N, C, ...). In training the batch's own statistics normalise; the unbiased variance goes into the buffer."""
    x = jnp.asarray(value(input))
    axes = (0, *range(2, x.ndim))
    if training:
        count = x.size // x.shape[1]
        if count <= 1:
            raise ValueError(f"batch_norm in training needs more than one value per channel, input {x.shape}")
        scale = 1.0 if weight is None else _channels(weight, x.ndim)[None]
        shift = 0.0 if bias is None else _channels(bias, x.ndim)[None]
        y, mean, variance = standardised_and_scaled(x, axes, eps, scale, shift)
        _blend(running_mean, mean.reshape(-1), momentum)
        _blend(running_var, variance.reshape(-1) * (count / (count - 1)), momentum)
        return y
    scale = lax.rsqrt(jnp.asarray(value(running_var)) + eps)
    scale = scale if weight is None else scale * value(weight)
    y = (x - _channels(running_mean, x.ndim)) * _channels(scale, x.ndim)
    return y if bias is None else y + _channels(bias, x.ndim)


def instance_norm(
    input: Any, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None,
    use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    """x (N, C, ...); statistics per sample and channel."""
    x = jnp.asarray(value(input))
    if not use_input_stats:
        return batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    axes = tuple(range(2, x.ndim))
    if running_mean is not None:
        count = x.size // (x.shape[0] * x.shape[1])
        variance = jnp.mean(jnp.var(x, axes), 0) * (count / (count - 1))
        _blend(running_mean, jnp.mean(x, (0, *axes)), momentum)
        _blend(running_var, variance, momentum)
    y = standardised(x, axes, eps)[0]
    return _affine(y, *(None if p is None else _channels(p, x.ndim) for p in (weight, bias)))


@function
def local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    """Divides by the average square over `size` neighbouring channels."""
    x = jnp.asarray(input)
    window = (1, size, *(1,) * (x.ndim - 2))
    margins = [(0, 0), (size // 2, (size - 1) // 2), *[(0, 0)] * (x.ndim - 2)]
    total = lax.reduce_window(jnp.square(x), np.zeros((), x.dtype), lax.add, window, (1,) * x.ndim, margins)
    return x / (total * (alpha / size) + k) ** beta


@function
def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Any:
    return input / clamp(norm(input, p, dim, keepdim=True), eps)


__all__ = public(globals())
