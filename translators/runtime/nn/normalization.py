"""Normalisation layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from translators.runtime import functional as F
from translators.runtime import init
from translators.runtime.arrays import public
from translators.runtime.module import Buffer, Module, Parameter
from translators.runtime.tensor.creation import ones, zeros
from translators.runtime.tensor.inplace import fill_, zero_


class _Normalization(Module):
    """Statistics per channel (axis 1). `momentum=None` averages over all batches seen."""

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
        track_running_stats: bool = True, device: Any = None, dtype: Any = None,
    ):  # fmt: skip
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self.weight = Parameter(ones(num_features, dtype=dtype)) if affine else None
        self.bias = Parameter(zeros(num_features, dtype=dtype)) if affine else None
        self.register_buffer("running_mean", zeros(num_features, dtype=dtype) if track_running_stats else None)
        self.register_buffer("running_var", ones(num_features, dtype=dtype) if track_running_stats else None)
        self.num_batches_tracked = Buffer(np.zeros((), np.int32), persistent=True) if track_running_stats else None

    def reset_running_stats(self) -> None:
        if self.track_running_stats:
            zero_(self.running_mean)
            fill_(self.running_var, 1)

    def reset_parameters(self) -> None:
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            init.zeros_(self.bias)

    def _axes(self) -> tuple[int, ...]:
        """The numbers of axes an input may have; empty for any."""
        return ()

    def _check_input_dim(self, input: Any) -> None:
        if self._axes() and input.ndim not in self._axes():
            raise ValueError(f"{type(self).__name__} expects {self._axes()} axes, got {input.ndim}")


class _BatchNorm(_Normalization):
    def forward(self, input: Any) -> Any:
        self._check_input_dim(input)
        momentum: Any = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            count = self.num_batches_tracked[...] + 1
            self.num_batches_tracked.set_value(count)
            if self.momentum is None:
                momentum = 1.0 / count
        by_batch = self.training or self.running_mean is None
        tracked = not self.training or self.track_running_stats
        mean, variance = (self.running_mean, self.running_var) if tracked else (None, None)
        return F.batch_norm(input, mean, variance, self.weight, self.bias, by_batch, momentum, self.eps)


class BatchNorm1d(_BatchNorm):
    def _axes(self) -> tuple[int, ...]:
        return (2, 3)


class BatchNorm2d(_BatchNorm):
    def _axes(self) -> tuple[int, ...]:
        return (4,)


class BatchNorm3d(_BatchNorm):
    def _axes(self) -> tuple[int, ...]:
        return (5,)


class SyncBatchNorm(_BatchNorm):
    """One batch over all devices is what a jitted, sharded program computes anyway."""


class _InstanceNorm(_Normalization):
    _dimensions = 4

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
        track_running_stats: bool = False, device: Any = None, dtype: Any = None,
    ):  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype)

    def forward(self, input: Any) -> Any:
        if input.ndim == self._dimensions - 1:
            return self._normalised(input[None])[0]
        return self._normalised(input)

    def _normalised(self, input: Any) -> Any:
        by_instance = self.training or not self.track_running_stats
        return F.instance_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, by_instance, self.momentum, self.eps
        )


class InstanceNorm1d(_InstanceNorm):
    _dimensions = 3


class InstanceNorm2d(_InstanceNorm):
    _dimensions = 4


class InstanceNorm3d(_InstanceNorm):
    _dimensions = 5


class _OverShape(Module):
    """Normalisation over the last axes."""

    def _shape(self, normalized_shape: Any) -> tuple[int, ...]:
        return (int(normalized_shape),) if isinstance(normalized_shape, (int, np.integer)) else tuple(normalized_shape)


class LayerNorm(_OverShape):
    def __init__(
        self, normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True,
        device: Any = None, dtype: Any = None,
    ):  # fmt: skip
        super().__init__()
        self.normalized_shape = self._shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.weight = Parameter(ones(self.normalized_shape, dtype=dtype)) if elementwise_affine else None
        self.bias = Parameter(zeros(self.normalized_shape, dtype=dtype)) if elementwise_affine and bias else None

    def reset_parameters(self) -> None:
        if self.elementwise_affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)


class RMSNorm(_OverShape):
    def __init__(
        self, normalized_shape: Any, eps: float | None = None, elementwise_affine: bool = True, device: Any = None,
        dtype: Any = None,
    ):  # fmt: skip
        super().__init__()
        self.normalized_shape = self._shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.weight = Parameter(ones(self.normalized_shape, dtype=dtype)) if elementwise_affine else None

    def reset_parameters(self) -> None:
        if self.elementwise_affine:
            init.ones_(self.weight)

    def forward(self, input: Any) -> Any:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)


class GroupNorm(Module):
    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"{num_channels} channels do not divide into {num_groups} groups")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self.weight = Parameter(ones(num_channels, dtype=dtype)) if affine else None
        self.bias = Parameter(zeros(num_channels, dtype=dtype)) if affine else None

    def reset_parameters(self) -> None:
        if self.affine:
            init.ones_(self.weight)
            init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)


class LocalResponseNorm(Module):
    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Any) -> Any:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)


__all__ = [*public(globals()), "_BatchNorm", "_InstanceNorm"]
