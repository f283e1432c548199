"""`einops.layers.torch`: einops patterns as layers."""

from __future__ import annotations

from typing import Any

import einops

from translators.runtime.arrays import public
from translators.runtime.module import Module


class Rearrange(Module):
    """`einops.rearrange` with a fixed pattern."""

    def __init__(self, pattern: str, **axes_lengths: int):
        super().__init__()
        self.pattern, self.axes_lengths = pattern, axes_lengths

    def forward(self, input: Any) -> Any:
        return einops.rearrange(input, self.pattern, **self.axes_lengths)


class Reduce(Module):
    """`einops.reduce` with a fixed pattern: `min`, `max`, `sum`, `mean` or `prod`."""

    def __init__(self, pattern: str, reduction: str, **axes_lengths: int):
        super().__init__()
        self.pattern, self.reduction, self.axes_lengths = pattern, reduction, axes_lengths

    def forward(self, input: Any) -> Any:
        return einops.reduce(input, self.pattern, self.reduction, **self.axes_lengths)


__all__ = public(globals())
