"""Attention as PyTorch defines it: masks, scale, packed weights."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from translators.diagnostics import Refused
from translators.runtime.arrays import function, public
from translators.runtime.functional.convolution import linear
from translators.runtime.functional.regularization import dropout


def _bias(mask: Any, dtype: Any) -> Any:
    """An additive mask: True means "take part" in scaled_dot_product_attention."""
    return jnp.where(mask, 0.0, -jnp.inf).astype(dtype) if mask.dtype == np.bool_ else mask


@function
def scaled_dot_product_attention(
    query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False,
) -> Any:  # fmt: skip
    """softmax(q k^T scale + mask) v over (..., L, E)."""
    if enable_gqa:
        copies = query.shape[-3] // key.shape[-3]
        key, value = (jnp.repeat(x, copies, axis=-3) for x in (key, value))
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = jnp.matmul(query * scale, jnp.swapaxes(key, -1, -2))
    if is_causal:
        scores = scores + _bias(np.tril(np.ones(scores.shape[-2:], np.bool_)), scores.dtype)
    if attn_mask is not None:
        scores = scores + _bias(attn_mask, scores.dtype)
    return jnp.matmul(dropout(jax.nn.softmax(scores, axis=-1), dropout_p, dropout_p > 0), value)


def _forbidding(mask: Any, dtype: Any) -> Any:
    """An additive mask: True means "leave out" in multi-head attention."""
    return jnp.where(mask, -jnp.inf, 0.0).astype(dtype) if mask.dtype == np.bool_ else mask


@function
def multi_head_attention_forward(
    query: Any, key: Any, value: Any, embed_dim_to_check: int, num_heads: int, in_proj_weight: Any, in_proj_bias: Any,
    bias_k: Any, bias_v: Any, add_zero_attn: bool, dropout_p: float, out_proj_weight: Any, out_proj_bias: Any,
    training: bool = True, key_padding_mask: Any = None, need_weights: bool = True, attn_mask: Any = None,
    use_separate_proj_weight: bool = False, q_proj_weight: Any = None, k_proj_weight: Any = None,
    v_proj_weight: Any = None, static_k: Any = None, static_v: Any = None, average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple:  # fmt: skip
    """query (L, N, E), key and value (S, N, E); returns (L, N, E) and the weights (N, L, S), or None."""
    if static_k is not None or static_v is not None:
        raise Refused("R10", "multi_head_attention_forward with static_k or static_v")
    if query.ndim == 2:
        masks = {
            "key_padding_mask": None if key_padding_mask is None else key_padding_mask[None],
            "attn_mask": attn_mask,
        }
        y, weights = multi_head_attention_forward(
            query[:, None], key[:, None], value[:, None], embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias,
            bias_k, bias_v, add_zero_attn, dropout_p, out_proj_weight, out_proj_bias, training,
            need_weights=need_weights, use_separate_proj_weight=use_separate_proj_weight, q_proj_weight=q_proj_weight,
            k_proj_weight=k_proj_weight, v_proj_weight=v_proj_weight, average_attn_weights=average_attn_weights,
            is_causal=is_causal, **masks,
        )  # fmt: skip
        return y[:, 0], None if weights is None else weights[0]
    length, batch, width = query.shape
    if use_separate_proj_weight:
        parts = [q_proj_weight, k_proj_weight, v_proj_weight]
    else:
        parts = jnp.split(jnp.asarray(in_proj_weight), 3, axis=0)
    biases = (None,) * 3 if in_proj_bias is None else jnp.split(jnp.asarray(in_proj_bias), 3)
    q, k, v = (linear(x, weight, b) for x, weight, b in zip((query, key, value), parts, biases))
    extra = 0
    if bias_k is not None:
        k = jnp.concatenate([k, jnp.broadcast_to(bias_k, (1, batch, width))])
        v = jnp.concatenate([v, jnp.broadcast_to(bias_v, (1, batch, width))])
        extra += 1
    head = width // num_heads
    q, k, v = (x.reshape(x.shape[0], batch, num_heads, head).transpose(1, 2, 0, 3) for x in (q, k, v))
    if add_zero_attn:
        k, v = (jnp.pad(x, [(0, 0), (0, 0), (0, 1), (0, 0)]) for x in (k, v))
        extra += 1
    scores = jnp.matmul(q / math.sqrt(head), jnp.swapaxes(k, -1, -2))
    if attn_mask is not None:
        mask = _forbidding(attn_mask, scores.dtype)
        mask = mask.reshape(batch, num_heads, *mask.shape[1:]) if mask.ndim == 3 else mask
        scores = scores + jnp.pad(mask, [(0, 0)] * (mask.ndim - 1) + [(0, extra)])
    elif is_causal:
        raise ValueError("multi-head attention with is_causal needs attn_mask, as in PyTorch")
    if key_padding_mask is not None:
        mask = jnp.pad(_forbidding(key_padding_mask, scores.dtype), [(0, 0), (0, extra)])
        scores = scores + mask[:, None, None]
    weights = dropout(jax.nn.softmax(scores, axis=-1), dropout_p, training)
    y = linear(jnp.matmul(weights, v).transpose(2, 0, 1, 3).reshape(length, batch, -1), out_proj_weight, out_proj_bias)
    if not need_weights:
        return y, None
    return y, jnp.mean(weights, axis=1) if average_attn_weights else weights


__all__ = public(globals())
