"""What models that can be quantised wrap around their float computation (`torch.ao.quantization`), before they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from translators.runtime import ops
from translators.runtime.arrays import public
from translators.runtime.functional.activation import relu
from translators.runtime.module import Module


class QuantStub(Module):
    """Marks where values would be quantised: passes them on."""

    def __init__(self, qconfig: Any = None):
        super().__init__()

    def forward(self, x: Any) -> Any:
        return x


class DeQuantStub(QuantStub):
    """Marks where values would become floats again: passes them on."""


class FloatFunctional(Module):
    """Operations as methods, so that quantisation can replace them."""

    def add(self, x: Any, y: Any) -> Any:
        return ops.add(x, y)

    def add_scalar(self, x: Any, y: float) -> Any:
        return ops.add(x, y)

    def mul(self, x: Any, y: Any) -> Any:
        return ops.mul(x, y)

    def mul_scalar(self, x: Any, y: float) -> Any:
        return ops.mul(x, y)

    def matmul(self, x: Any, y: Any) -> Any:
        return ops.matmul(x, y)

    def cat(self, x: Sequence[Any], dim: int = 0) -> Any:
        return ops.cat(x, dim=dim)

    def add_relu(self, x: Any, y: Any) -> Any:
        return relu(ops.add(x, y))


__all__ = public(globals())
