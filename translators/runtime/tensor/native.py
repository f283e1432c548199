"""`torch.*` functions whose arguments or results differ from those of `torch.nn.functional`."""

from __future__ import annotations

from typing import Any

from translators.runtime import functional as F
from translators.runtime.arrays import op, public


def adaptive_max_pool1d(input: Any, output_size: Any) -> tuple:
    """Values and indices."""
    return F.adaptive_max_pool1d_with_indices(input, output_size)


def batch_norm(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool, momentum: float,
    eps: float, cudnn_enabled: bool,
) -> Any:  # fmt: skip
    return F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, use_input_stats: bool, momentum: float,
    eps: float, cudnn_enabled: bool,
) -> Any:  # fmt: skip
    return F.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, cudnn_enabled: bool = True
) -> Any:
    return F.group_norm(input, num_groups, weight, bias, eps)


def layer_norm(
    input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Any:  # fmt: skip
    return F.layer_norm(input, normalized_shape, weight, bias, eps)


def dropout(input: Any, p: float, train: bool) -> Any:
    return F.dropout(input, p, train)


def alpha_dropout(input: Any, p: float, train: bool) -> Any:
    return F.alpha_dropout(input, p, train)


def embedding(weight: Any, indices: Any, padding_idx: int = -1, scale_grad_by_freq: bool = False) -> Any:
    """Without padding for a negative `padding_idx`."""
    return F.embedding(indices, weight, padding_idx if padding_idx >= 0 else None, None, 2.0, scale_grad_by_freq)


@op
def softmax(input: Any, dim: int, dtype: Any = None) -> Any:
    return F.softmax(input, dim, dtype=dtype)


@op
def log_softmax(input: Any, dim: int, dtype: Any = None) -> Any:
    return F.log_softmax(input, dim, dtype=dtype)


__all__ = public(globals())
