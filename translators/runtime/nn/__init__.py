"""`torch.nn`: same names, arguments, defaults, parameter names and shapes. `__all__` declares what is supported."""

from typing import TYPE_CHECKING, Any

from translators.runtime import functional, init
from translators.runtime.module import Buffer, Module, Parameter
from translators.runtime.nn import (
    activation,
    attention,
    containers,
    convolution,
    layout,
    loss,
    normalization,
    pooling,
    quantization,
    rearrangement,
    recurrent,
    reparametrization,
    transformer,
)

_ROOMS = (
    *(activation, attention, containers, convolution, layout, loss),
    *(normalization, pooling, quantization, rearrangement, recurrent, reparametrization, transformer),
)

__all__ = ["Buffer", "Module", "Parameter", "functional", "init", *(name for room in _ROOMS for name in room.__all__)]

globals().update({name: vars(room)[name] for room in _ROOMS for name in room.__all__})

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
