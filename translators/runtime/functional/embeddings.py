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
        raise Refused("R10", "embedding with max_norm: it rewrites its weights whenever it runs")
    if scale_grad_by_freq:
        raise Refused("R10", "embedding with scale_grad_by_freq")
    if padding_idx is not None:
        kept = np.arange(weight.shape[0])[:, None] != padding_idx % weight.shape[0]
        weight = jnp.where(kept, weight, jax.lax.stop_gradient(weight))
    return jnp.take(weight, input, axis=0)


_SEGMENTS = {"sum": jax.ops.segment_sum, "mean": jax.ops.segment_sum, "max": jax.ops.segment_max}


@function
def embedding_bag(
    input: Any, weight: Any, offsets: Any = None, max_norm: float | None = None, norm_type: float = 2.0,
    scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False, per_sample_weights: Any = None,
    include_last_offset: bool = False, padding_idx: int | None = None,
) -> Any:  # fmt: skip
    """input (N, L), or (all,) with the place where each bag begins in `offsets`. Padding does not count."""
    rows = embedding(input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights[..., None]
    if input.ndim == 2:
        bags: Any = np.repeat(np.arange(input.shape[0]), input.shape[1])
        count, input, rows = input.shape[0], input.reshape(-1), rows.reshape(-1, weight.shape[1])
    else:
        count = offsets.shape[0] - include_last_offset
        bags = jnp.searchsorted(offsets[:count], np.arange(input.shape[0]), side="right") - 1
    here = jnp.ones(input.shape, np.bool_) if padding_idx is None else input != padding_idx % weight.shape[0]
    held = jax.ops.segment_sum(here.astype(rows.dtype), bags, count)[:, None]
    rows = jnp.where(here[:, None], rows, -jnp.inf if mode == "max" else 0)
    result = _SEGMENTS[mode](rows, bags, count)
    result = result / jnp.maximum(held, 1) if mode == "mean" else result
    return jnp.where(held > 0, result, 0)


@function
def one_hot(tensor: Any, num_classes: int) -> Any:
    return jax.nn.one_hot(tensor, num_classes, dtype=jnp.int32)


__all__ = public(globals())
