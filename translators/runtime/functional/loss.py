"""Loss functions. `reduction` is "mean", "sum" or "none"."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from translators.runtime.arrays import function, public
from translators.runtime.functional.similarity import pairwise_distance


def _reduced(loss: Any, reduction: str) -> Any:
    return {"none": lambda x: x, "mean": jnp.mean, "sum": jnp.sum}[reduction](loss)


@function
def mse_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean", weight: Any = None
) -> Any:
    loss = jnp.square(input - target)
    if weight is None:
        return _reduced(loss, reduction)
    loss = loss * weight
    return (
        jnp.sum(loss) / jnp.sum(jnp.broadcast_to(weight, loss.shape))
        if reduction == "mean"
        else _reduced(loss, reduction)
    )


@function
def l1_loss(input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> Any:
    return _reduced(jnp.abs(input - target), reduction)


@function
def smooth_l1_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean", beta: float = 1.0
) -> Any:
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    size = jnp.abs(input - target)
    return _reduced(jnp.where(size < beta, jnp.square(size) / (2 * beta), size - beta / 2), reduction)


@function
def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0) -> Any:
    size = jnp.abs(input - target)
    return _reduced(jnp.where(size <= delta, jnp.square(size) / 2, delta * (size - delta / 2)), reduction)


def _classes(target: Any, ignore_index: int, weight: Any) -> tuple[Any, Any]:
    """Indices that exist, and the weight of each element: zero where it is ignored."""
    kept = target != ignore_index
    index = jnp.where(kept, target, 0)
    return index, kept * (1.0 if weight is None else jnp.asarray(weight)[index])


def _weighted_mean(loss: Any, weights: Any, reduction: str) -> Any:
    return jnp.sum(loss) / jnp.sum(weights) if reduction == "mean" else _reduced(loss, reduction)


@function
def nll_loss(
    input: Any, target: Any, weight: Any = None, size_average: Any = None, ignore_index: int = -100,
    reduce: Any = None, reduction: str = "mean",
) -> Any:  # fmt: skip
    """input (N, C, ...) log-probabilities, or (C,); target (N, ...) classes. The mean is over the weights."""
    axis = 1 if input.ndim > 1 else 0
    index, weights = _classes(jnp.asarray(target), ignore_index, weight)
    picked = jnp.take_along_axis(jnp.asarray(input), jnp.expand_dims(index, axis), axis).squeeze(axis)
    weights = jnp.asarray(weights, input.dtype)
    return _weighted_mean(-picked * weights, weights, reduction)


@function
def cross_entropy(
    input: Any, target: Any, weight: Any = None, size_average: Any = None, ignore_index: int = -100,
    reduce: Any = None, reduction: str = "mean", label_smoothing: float = 0.0,
) -> Any:  # fmt: skip
    """input (N, C, ...) or (C,) logits; target the classes, or probabilities of the input's shape."""
    x = jnp.asarray(input)
    axis = 1 if x.ndim > 1 else 0
    logs, count = jax.nn.log_softmax(x, axis), x.shape[axis]
    across = (-1, *(1,) * (x.ndim - axis - 1))
    scale = 1.0 if weight is None else jnp.asarray(weight).reshape(across)
    if target.shape == x.shape:
        target = (1 - label_smoothing) * target + label_smoothing / count
        loss = -jnp.sum(logs * target * scale, axis)
        return jnp.sum(loss) / (x.size / count) if reduction == "mean" else _reduced(loss, reduction)
    index, weights = _classes(jnp.asarray(target), ignore_index, weight)
    weights = jnp.asarray(weights, x.dtype)
    hard = -jnp.take_along_axis(logs, jnp.expand_dims(index, axis), axis).squeeze(axis) * weights
    if not label_smoothing:
        return _weighted_mean(hard, weights, reduction)
    smooth = jnp.where(target == ignore_index, 0, -jnp.sum(logs * scale, axis) / count)
    return _weighted_mean((1 - label_smoothing) * hard + label_smoothing * smooth, weights, reduction)


@function
def binary_cross_entropy(
    input: Any, target: Any, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Any:
    """Logarithms are bounded by -100."""
    x = jnp.asarray(input)
    yes, no = jnp.maximum(jnp.log(x), -100), jnp.maximum(jnp.log1p(-x), -100)
    loss = -(target * yes + (1 - target) * no)
    return _reduced(loss if weight is None else loss * weight, reduction)


@function
def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean", pos_weight: Any = None,
) -> Any:  # fmt: skip
    yes, no = jax.nn.log_sigmoid(jnp.asarray(input)), jax.nn.log_sigmoid(-jnp.asarray(input))
    loss = -(target * yes * (1 if pos_weight is None else pos_weight) + (1 - target) * no)
    return _reduced(loss if weight is None else loss * weight, reduction)


@function
def kl_div(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
    log_target: bool = False,
) -> Any:  # fmt: skip
    if log_target:
        loss = jnp.exp(target) * (target - input)
    else:
        loss = jax.scipy.special.xlogy(target, target) - target * input
    return jnp.sum(loss) / input.shape[0] if reduction == "batchmean" else _reduced(loss, reduction)


@function
def soft_margin_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Any:
    return _reduced(jax.nn.softplus(-target * input), reduction)


@function
def hinge_embedding_loss(
    input: Any, target: Any, margin: float = 1.0, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Any:
    """Targets 1 and -1."""
    near = jnp.where(target == 1, input, 0)
    far = jnp.where(target == -1, jax.nn.relu(margin - input), 0)
    return _reduced(near + far, reduction)


@function
def margin_ranking_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean",
) -> Any:  # fmt: skip
    return _reduced(jax.nn.relu(-target * (input1 - input2) + margin), reduction)


@function
def cosine_embedding_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean",
) -> Any:  # fmt: skip
    """PyTorch adds 1e-12 to the squared lengths."""
    lengths = (jnp.sum(jnp.square(x), -1) + 1e-12 for x in (input1, input2))
    cosine = jnp.sum(input1 * input2, -1) / jnp.sqrt(math.prod(lengths))
    return _reduced(jnp.where(target == 1, 1 - cosine, jax.nn.relu(cosine - margin)), reduction)


def _triplet(
    anchor: Any, positive: Any, negative: Any, distance: Callable, margin: float, swap: bool, reduction: str
) -> Any:
    far = distance(anchor, negative)
    far = jnp.minimum(far, distance(positive, negative)) if swap else far
    return _reduced(jax.nn.relu(distance(anchor, positive) - far + margin), reduction)


@function
def triplet_margin_loss(
    anchor: Any, positive: Any, negative: Any, margin: float = 1.0, p: float = 2, eps: float = 1e-6, swap: bool = False,
    size_average: Any = None, reduce: Any = None, reduction: str = "mean",
) -> Any:  # fmt: skip
    return _triplet(anchor, positive, negative, lambda a, b: pairwise_distance(a, b, p, eps), margin, swap, reduction)


@function
def triplet_margin_with_distance_loss(
    anchor: Any, positive: Any, negative: Any, *, distance_function: Callable | None = None, margin: float = 1.0,
    swap: bool = False, reduction: str = "mean",
) -> Any:  # fmt: skip
    return _triplet(anchor, positive, negative, distance_function or pairwise_distance, margin, swap, reduction)


@function
def gaussian_nll_loss(
    input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Any:
    """Variances below `eps` count as `eps` and keep their gradient."""
    var = jnp.asarray(var)
    if var.shape != input.shape and var.ndim == input.ndim - 1:
        var = var[..., None]
    var = var + jax.lax.stop_gradient(jnp.maximum(var, eps) - var)
    loss = 0.5 * (jnp.log(var) + jnp.square(input - target) / var)
    return _reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


@function
def poisson_nll_loss(
    input: Any, target: Any, log_input: bool = True, full: bool = False, size_average: Any = None, eps: float = 1e-8,
    reduce: Any = None, reduction: str = "mean",
) -> Any:  # fmt: skip
    loss = jnp.exp(input) - target * input if log_input else input - target * jnp.log(input + eps)
    if full:
        above = jnp.where(target > 1, target, 1)
        stirling = above * jnp.log(above) - above + 0.5 * jnp.log(2 * np.pi * above)
        loss = loss + jnp.where(target > 1, stirling, 0)
    return _reduced(loss, reduction)


@function
def multilabel_soft_margin_loss(
    input: Any, target: Any, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Any:
    loss = binary_cross_entropy_with_logits(input, target, weight, reduction="none")
    return _reduced(jnp.mean(loss, -1), reduction)


@function
def multi_margin_loss(
    input: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None, size_average: Any = None,
    reduce: Any = None, reduction: str = "mean",
) -> Any:  # fmt: skip
    """input (N, C); target (N,) classes."""
    own = jnp.take_along_axis(jnp.asarray(input), target[:, None], 1)
    loss = jax.nn.relu(margin - own + input) ** p
    loss = loss if weight is None else loss * jnp.asarray(weight)[target][:, None]
    others = jnp.arange(input.shape[1]) != target[:, None]
    return _reduced(jnp.sum(jnp.where(others, loss, 0), 1) / input.shape[1], reduction)


__all__ = public(globals())
