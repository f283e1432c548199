"""Layers that move elements: dropout, padding, flattening, shuffles, upsampling, patches."""

from __future__ import annotations

from typing import Any

from translators.runtime import functional as F
from translators.runtime.arrays import pair_of, public
from translators.runtime.module import Module
from translators.runtime.tensor.shape import flatten, unflatten


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"a dropout probability lies in [0, 1], not {p}")
        self.p = p
        self.inplace = inplace


class Dropout(_Dropout):
    def forward(self, input: Any) -> Any:
        return F.dropout(input, self.p, self.training)


class Dropout1d(_Dropout):
    def forward(self, input: Any) -> Any:
        return F.dropout1d(input, self.p, self.training)


class Dropout2d(_Dropout):
    def forward(self, input: Any) -> Any:
        return F.dropout2d(input, self.p, self.training)


class Dropout3d(_Dropout):
    def forward(self, input: Any) -> Any:
        return F.dropout3d(input, self.p, self.training)


class AlphaDropout(_Dropout):
    def forward(self, input: Any) -> Any:
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_Dropout):
    def forward(self, input: Any) -> Any:
        return F.feature_alpha_dropout(input, self.p, self.training)


class _Padding(Module):
    _spatial = 2
    _mode = "constant"
    value: Any = 0.0

    def __init__(self, padding: Any):
        super().__init__()
        self.padding = pair_of(padding, 2 * self._spatial)

    def forward(self, input: Any) -> Any:
        return F.pad(input, self.padding, self._mode, self.value if self._mode == "constant" else None)


class ZeroPad1d(_Padding):
    _spatial = 1


class ZeroPad2d(_Padding):
    _spatial = 2


class ZeroPad3d(_Padding):
    _spatial = 3


class _ConstantPadding(_Padding):
    def __init__(self, padding: Any, value: float):
        super().__init__(padding)
        self.value = value


class ConstantPad1d(_ConstantPadding):
    _spatial = 1


class ConstantPad2d(_ConstantPadding):
    _spatial = 2


class ConstantPad3d(_ConstantPadding):
    _spatial = 3


class ReflectionPad1d(_Padding):
    _spatial, _mode = 1, "reflect"


class ReflectionPad2d(_Padding):
    _spatial, _mode = 2, "reflect"


class ReflectionPad3d(_Padding):
    _spatial, _mode = 3, "reflect"


class ReplicationPad1d(_Padding):
    _spatial, _mode = 1, "replicate"


class ReplicationPad2d(_Padding):
    _spatial, _mode = 2, "replicate"


class ReplicationPad3d(_Padding):
    _spatial, _mode = 3, "replicate"


class CircularPad1d(_Padding):
    _spatial, _mode = 1, "circular"


class CircularPad2d(_Padding):
    _spatial, _mode = 2, "circular"


class CircularPad3d(_Padding):
    _spatial, _mode = 3, "circular"


class Flatten(Module):
    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Any) -> Any:
        return flatten(input, self.start_dim, self.end_dim)


class Unflatten(Module):
    def __init__(self, dim: int, unflattened_size: Any):
        super().__init__()
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def forward(self, input: Any) -> Any:
        return unflatten(input, self.dim, self.unflattened_size)


class PixelShuffle(Module):
    def __init__(self, upscale_factor: int):
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Any) -> Any:
        return F.pixel_shuffle(input, self.upscale_factor)


class PixelUnshuffle(Module):
    def __init__(self, downscale_factor: int):
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Any) -> Any:
        return F.pixel_unshuffle(input, self.downscale_factor)


class ChannelShuffle(Module):
    def __init__(self, groups: int):
        super().__init__()
        self.groups = groups

    def forward(self, input: Any) -> Any:
        return F.channel_shuffle(input, self.groups)


class Upsample(Module):
    def __init__(
        self, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ):  # fmt: skip
        super().__init__()
        self.size = size
        self.scale_factor = scale_factor
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Any) -> Any:
        return F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )


class UpsamplingNearest2d(Upsample):
    def __init__(self, size: Any = None, scale_factor: Any = None):
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    def __init__(self, size: Any = None, scale_factor: Any = None):
        super().__init__(size, scale_factor, "bilinear", True)


class Unfold(Module):
    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1):
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Any) -> Any:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(Module):
    def __init__(self, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1):
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Any) -> Any:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)


class CosineSimilarity(Module):
    def __init__(self, dim: int = 1, eps: float = 1e-8):
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Any, x2: Any) -> Any:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False):
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Any, x2: Any) -> Any:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


__all__ = public(globals())
