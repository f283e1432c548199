"""`torch.nn.functional`: same names and arguments. `__all__` declares what is supported."""

from typing import TYPE_CHECKING, Any

from translators.runtime.functional import (
    activation,
    attention,
    convolution,
    embeddings,
    layout,
    loss,
    normalization,
    pooling,
    regularization,
    resampling,
    sampling,
    similarity,
)

_ROOMS = (
    activation,
    attention,
    convolution,
    embeddings,
    layout,
    loss,
    normalization,
    pooling,
    regularization,
    resampling,
    sampling,
    similarity,
)

__all__ = sorted({name for room in _ROOMS for name in room.__all__} - {"platform"})

globals().update({name: vars(room)[name] for room in _ROOMS for name in room.__all__})

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
