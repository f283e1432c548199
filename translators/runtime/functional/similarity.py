"""Similarities and distances between vectors."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from translators.runtime.arrays import function, public
from translators.runtime.tensor.elementwise import maximum
from translators.runtime.tensor.reduction import norm


@function
def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    product = jnp.sum(x1 * x2, axis=dim)
    return product / (maximum(norm(x1, 2, dim), eps) * maximum(norm(x2, 2, dim), eps))


@function
def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    return norm(x1 - x2 + eps, p, -1, keepdim)


__all__ = public(globals())
