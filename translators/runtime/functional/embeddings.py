"""Embeddings: rows of a table picked by number."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from translators.diagnostics import Refused
from translators.runtime.arrays import function, public


@function
def embedding(
    input: Any, weight: Any, padding_idx: int | None = None, max_norm: float | None = None, norm_type: float = 2.0,
    scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Any:  # fmt: skip
    """Rows of weight; the row `padding_idx` gets no gradient."""
    if max_norm is not None:
        raise Refused("R10", "embedding with max_norm")
    if padding_idx is not None:
        kept = np.arange(weight.shape[0])[:, None] != padding_idx % weight.shape[0]
        weight = jnp.where(kept, weight, jax.lax.stop_gradient(weight))
    return jnp.take(weight, input, axis=0)


@function
def one_hot(tensor: Any, num_classes: int) -> Any:
    return jax.nn.one_hot(tensor, num_classes, dtype=jnp.int32)


__all__ = public(globals())
