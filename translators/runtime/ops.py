"""What `torch.*` functions and tensor methods do, one name for both: `torch.flatten(x, 1)` and `x.flatten(1)` are
`ops.flatten(x, 1)`. `__all__` declares what is supported."""

from typing import TYPE_CHECKING, Any

from translators.runtime.functional import (
    activation,
    convolution,
    layout,
    normalization,
    pooling,
    similarity,
)
from translators.runtime.tensor import (
    creation,
    decompositions,
    derivatives,
    dtypes,
    elementwise,
    fourier,
    indexing,
    inplace,
    linear_algebra,
    native,
    random,
    reduction,
    shape,
    special,
)

_ROOMS = (
    dtypes,
    creation,
    random,
    elementwise,
    special,
    reduction,
    shape,
    indexing,
    linear_algebra,
    native,
    decompositions,
    derivatives,
    fourier,
    inplace,
)

# What PyTorch offers at top level, or as a tensor method, besides torch.nn.functional.
_FUNCTIONAL = {
    activation: (
        "relu",
        "relu_",
        "prelu",
        "rrelu",
        "selu",
        "celu",
        "hardshrink",
        "threshold",
    ),
    convolution: ("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "bilinear"),
    similarity: ("cosine_similarity", "pairwise_distance"),
    layout: ("pixel_shuffle", "pixel_unshuffle", "channel_shuffle"),
    normalization: ("rms_norm",),
    pooling: ("adaptive_avg_pool1d", "avg_pool1d", "max_pool1d", "max_pool2d", "max_pool3d"),
}

_NAMES = {room: room.__all__ for room in _ROOMS} | _FUNCTIONAL

__all__ = sorted({name for names in _NAMES.values() for name in names})

globals().update({name: vars(room)[name] for room, names in _NAMES.items() for name in names})

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
