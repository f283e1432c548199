"""Embeddings, similarities and losses."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from translators.diagnostics import Refused
from translators.runtime.arrays import function, public
from translators.runtime.tensor.elementwise import maximum
from translators.runtime.tensor.reduction import norm


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


@function
def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    product = jnp.sum(x1 * x2, axis=dim)
    return product / (maximum(norm(x1, 2, dim), eps) * maximum(norm(x2, 2, dim), eps))


@function
def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    return norm(x1 - x2 + eps, p, -1, keepdim)


def _reduced(losses: Any, reduction: str) -> Any:
    return {"none": lambda x: x, "mean": jnp.mean, "sum": jnp.sum}[reduction](losses)


@function
def mse_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    return _reduced(jnp.square(input - target), reduction)


@function
def l1_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    return _reduced(jnp.abs(input - target), reduction)


@function
def smooth_l1_loss(input: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Any:
    d = jnp.abs(input - target)
    return _reduced(d if beta == 0 else jnp.where(d < beta, 0.5 * d**2 / beta, d - 0.5 * beta), reduction)


@function
def binary_cross_entropy_with_logits(input: Any, target: Any, reduction: str = "mean") -> Any:
    return _reduced(jnp.maximum(input, 0) - input * target + jnp.log1p(jnp.exp(-jnp.abs(input))), reduction)


@function
def cross_entropy(input: Any, target: Any, reduction: str = "mean", label_smoothing: float = 0.0) -> Any:
    """input (N, classes, ...); target class numbers (N, ...) or probabilities (N, classes, ...)."""
    scores = jax.nn.log_softmax(jnp.asarray(input), axis=1)
    classes = input.shape[1]
    if not jnp.issubdtype(target.dtype, jnp.floating):
        target = jnp.moveaxis(jax.nn.one_hot(target, classes, dtype=scores.dtype), -1, 1)
    target = target * (1 - label_smoothing) + label_smoothing / classes
    return _reduced(-jnp.sum(target * scores, axis=1), reduction)


__all__ = public(globals())
