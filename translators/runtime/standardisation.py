"""Mean zero and variance one over some axes, with the derivative in closed form (ours).

What follows from the definition alone sums three times over all values on the way back, five times with a scale and a
shift, in twice as many operations.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


@partial(jax.jit, static_argnums=1)
def standardised(x: jax.Array, axes: tuple[int, ...], eps: jax.Array | float) -> tuple[jax.Array, ...]:
    """((x - mean) / sqrt(variance + eps), mean, variance); the latter two are of size one along `axes`, all >= 0.

    The variance is computed in two passes: the fast form loses all digits when the mean is large.
    """
    run = jax.custom_jvp(partial(_standardised, axes))
    run.defjvp(partial(_derivative, axes))
    return run(x, eps)


def _standardised(axes: tuple[int, ...], x: jax.Array, eps: jax.Array | float) -> tuple[jax.Array, ...]:
    mean = jnp.mean(x, axes, keepdims=True)
    centred = x - mean
    variance = jnp.mean(jnp.square(centred), axes, keepdims=True)
    return centred * lax.rsqrt(variance + eps), mean, variance


def _derivative(axes: tuple[int, ...], at: Any, changes: Any) -> tuple[tuple[jax.Array, ...], tuple[jax.Array, ...]]:
    (x, eps), (change, _) = at, changes
    y, mean, variance = _standardised(axes, x, eps)
    scale = lax.rsqrt(variance + eps)
    shift = jnp.mean(change, axes, keepdims=True)
    stretch = jnp.mean(change * y, axes, keepdims=True)
    return (y, mean, variance), ((change - shift - y * stretch) * scale, shift, 2 * stretch / scale)


@partial(jax.jit, static_argnums=1)
def standardised_and_scaled(
    x: jax.Array, axes: tuple[int, ...], eps: jax.Array | float, scale: jax.Array | float, shift: jax.Array | float
) -> tuple[jax.Array, ...]:
    """(y scale + shift, mean, variance) for those of `standardised`; scale and shift are of size one along `axes`, too.

    Two sums on the way back: what is of size one is put together before it meets the values. x is kept for it, not y,
    and its mean taken away in three ways: XLA would make one array of them, instead of a part of each loop and sum.
    """
    run = jax.custom_jvp(partial(_scaled, axes))
    run.defjvp(partial(_scaled_derivative, axes))
    return run(x, eps, scale, shift)


def _scaled(axes: tuple[int, ...], x: Any, eps: Any, scale: Any, shift: Any) -> tuple[jax.Array, ...]:
    mean = jnp.mean(x, axes, keepdims=True)
    variance = jnp.mean(jnp.square(mean - x), axes, keepdims=True)
    return (x - mean) * (scale * lax.rsqrt(variance + eps)) + shift, mean, variance


def _scaled_derivative(axes: tuple[int, ...], at: Any, changes: Any) -> tuple[Any, Any]:
    (x, eps, scale, _), (change, _, scale_change, shift_change) = at, changes
    y, mean, variance = _scaled(axes, *at)
    slope = lax.rsqrt(variance + eps)
    factor = scale * slope
    mean_change = jnp.mean(change, axes, keepdims=True)
    spread = jnp.mean(change * (x - mean), axes, keepdims=True)
    stretch = slope * (scale_change - factor * slope * spread)
    moved = change * factor + (shift_change - mean_change * factor) + (x + -mean) * stretch
    return (y, mean, variance), (moved, mean_change, 2 * spread)
