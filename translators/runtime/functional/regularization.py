"""Dropout in its forms. Nothing is drawn, and no key is needed, in evaluation mode or with p = 0."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from translators.runtime.arrays import function, op, public
from translators.runtime.construction import next_key


def _dropped(x: Any, p: float, training: bool, mask_shape: tuple[int, ...]) -> Any:
    if not training or p == 0:
        return x
    if p == 1:
        return jnp.zeros_like(x)
    kept = jax.random.bernoulli(next_key(), 1 - p, mask_shape)
    return jnp.where(kept, x / (1 - p), 0).astype(x.dtype)


@op
def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    return _dropped(input, p, training, input.shape)


def _channels(x: Any, spatial: int) -> tuple[int, ...]:
    """One decision per channel of a batched (N, C, ...) or single (C, ...) input."""
    lead = 2 if x.ndim == spatial + 2 else 1
    return (*x.shape[:lead], *(1,) * (x.ndim - lead))


@function
def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    return _dropped(input, p, training, _channels(input, 1))


@function
def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """A three-dimensional input counts as (N, C, L), PyTorch's historical reading."""
    return _dropped(input, p, training, (*input.shape[:2], *(1,) * (input.ndim - 2)))


@function
def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    return _dropped(input, p, training, _channels(input, 3))


@function
def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Keeps mean and variance of SELU networks."""
    return _alpha_dropped(input, p, training, input.shape)


@function
def feature_alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Alpha dropout of whole channels."""
    return _alpha_dropped(input, p, training, (*input.shape[:2], *(1,) * (input.ndim - 2)))


def _alpha_dropped(x: Any, p: float, training: bool, mask_shape: tuple[int, ...]) -> Any:
    if not training or p == 0:
        return x
    alpha = -1.7580993408473766
    scale = ((1 - p) * (1 + p * alpha**2)) ** -0.5
    kept = jax.random.bernoulli(next_key(), 1 - p, mask_shape)
    return (scale * jnp.where(kept, x, alpha) - scale * p * alpha).astype(x.dtype)


__all__ = public(globals())
