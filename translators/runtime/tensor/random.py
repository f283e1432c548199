"""Random tensors: drawn with NumPy while a module is constructed, from the `randomness` stream while one runs."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from translators.runtime.arrays import op, public
from translators.runtime.construction import construction, draw_normal, draw_uniform, drawing_with_numpy, next_key
from translators.runtime.tensor.creation import _dtype, _like, _shape


def rand(*sizes: Any, size: Any = None, dtype: Any = None, **placement: Any) -> Any:
    return draw_uniform(_shape(sizes or (size,)), dtype=_dtype(dtype))


def randn(*sizes: Any, size: Any = None, dtype: Any = None, **placement: Any) -> Any:
    return draw_normal(_shape(sizes or (size,)), dtype=_dtype(dtype))


def rand_like(input: Any, dtype: Any = None, **placement: Any) -> Any:
    return draw_uniform(tuple(input.shape), dtype=_like(input, dtype))


def randn_like(input: Any, dtype: Any = None, **placement: Any) -> Any:
    return draw_normal(tuple(input.shape), dtype=_like(input, dtype))


def randint(low: int, high: Any = None, size: Any = None, dtype: Any = None, **placement: Any) -> Any:
    """`randint(high, size)` or `randint(low, high, size)`."""
    if size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    if drawing_with_numpy():
        return construction().generator.integers(low, high, _shape((size,))).astype(_dtype(dtype, np.int64))
    return jax.random.randint(next_key(), _shape((size,)), low, high).astype(_dtype(dtype, np.int32))


def randperm(n: int, dtype: Any = None, **placement: Any) -> Any:
    if drawing_with_numpy():
        return construction().generator.permutation(n).astype(_dtype(dtype, np.int64))
    return jax.random.permutation(next_key(), n)


def normal(mean: Any, std: Any = 1.0, size: Any = None, **placement: Any) -> Any:
    shape = _shape((size,)) if size is not None else np.broadcast_shapes(np.shape(mean), np.shape(std))
    return draw_normal(shape) * std + mean


def randint_like(input: Any, low: int, high: Any = None, dtype: Any = None, **placement: Any) -> Any:
    """`randint_like(x, high)` or `randint_like(x, low, high)`."""
    low, high = (0, low) if high is None else (low, high)
    return randint(low, high, tuple(input.shape), dtype=_like(input, dtype))


@op
def multinomial(input: Any, num_samples: int, replacement: bool = False) -> Any:
    """Places drawn by the weights in the last axis; without replacement the largest of perturbed logarithms."""
    logs = jnp.log(jnp.asarray(input))
    if replacement:
        drawn = jax.random.categorical(next_key(), logs, shape=(num_samples, *input.shape[:-1]))
        return jnp.moveaxis(drawn, 0, -1)
    noisy = logs + jax.random.gumbel(next_key(), logs.shape, logs.dtype)
    return jax.lax.top_k(noisy, num_samples)[1]


@op
def poisson(input: Any) -> Any:
    return jax.random.poisson(next_key(), jnp.asarray(input)).astype(input.dtype)


@op
def bernoulli(input: Any, p: float | None = None) -> Any:
    """Ones with the probabilities in `input`, or with `p` everywhere."""
    chances = input if p is None else p
    return (draw_uniform(tuple(input.shape)) < chances).astype(input.dtype)


__all__ = public(globals())
