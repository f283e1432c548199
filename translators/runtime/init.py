"""`torch.nn.init`: the same distributions, drawn with NumPy in place. Abstract parameters stay as they are."""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import numpy as np

from translators.diagnostics import Refused
from translators.runtime.arrays import public, value
from translators.runtime.construction import construction
from translators.runtime.tensor.inplace import _write, copy_, fill_, normal_, uniform_

__all__ = ["_calculate_correct_fan", "_calculate_fan_in_and_fan_out", "normal_", "uniform_"]

_GAINS = {"tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}


def trunc_normal_(input: Any, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> Any:
    return _write(input, lambda array: _truncated(array, mean, std, a, b))


def _truncated(array: np.ndarray, mean: float, std: float, a: float, b: float) -> np.ndarray:
    """Normal numbers, drawn again where they fall outside [a, b]."""
    generator = construction().generator
    numbers = generator.standard_normal(array.shape, np.float32) * np.float32(std) + np.float32(mean)
    outside = (numbers < a) | (numbers > b)
    while outside.any():
        numbers[outside] = generator.standard_normal(int(outside.sum()), np.float32) * np.float32(std) + np.float32(
            mean
        )
        outside = (numbers < a) | (numbers > b)
    return numbers


def calculate_gain(nonlinearity: str, param: Any = None) -> float:
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    return _GAINS.get(nonlinearity, 1.0)


def _calculate_fan_in_and_fan_out(tensor: Any) -> tuple[int, int]:
    shape = tensor.shape
    if len(shape) < 2:
        raise ValueError(f"fan in and fan out need at least two axes, got {shape}")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def _calculate_correct_fan(tensor: Any, mode: str) -> int:
    fans = dict(zip(("fan_in", "fan_out"), _calculate_fan_in_and_fan_out(tensor)))
    return fans[mode.lower()]


def zeros_(tensor: Any) -> Any:
    return fill_(tensor, 0.0)


def ones_(tensor: Any) -> Any:
    return fill_(tensor, 1.0)


def constant_(tensor: Any, val: float) -> Any:
    return fill_(tensor, val)


def eye_(tensor: Any) -> Any:
    return copy_(tensor, np.eye(*tensor.shape, dtype=np.float32))


def dirac_(tensor: Any, groups: int = 1) -> Any:
    """The identity as a convolution: one in the middle of each kernel (i, i)."""
    content = np.zeros(tensor.shape, np.float32)
    middle = tuple(n // 2 for n in tensor.shape[2:])
    outs = tensor.shape[0] // groups
    for group in range(groups):
        for i in range(min(outs, tensor.shape[1])):
            content[(group * outs + i, i, *middle)] = 1
    return copy_(tensor, content)


def xavier_uniform_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    bound = gain * math.sqrt(6 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(_calculate_fan_in_and_fan_out(tensor))))


def kaiming_uniform_(
    tensor: Any, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Any:
    bound = math.sqrt(3) * calculate_gain(nonlinearity, a) / math.sqrt(max(1, _calculate_correct_fan(tensor, mode)))
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(
    tensor: Any, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Any:
    std = calculate_gain(nonlinearity, a) / math.sqrt(max(1, _calculate_correct_fan(tensor, mode)))
    return normal_(tensor, 0.0, std)


def orthogonal_(tensor: Any, gain: float = 1, generator: Any = None) -> Any:
    """A (semi-)orthogonal matrix of the flattened tensor."""
    if construction().abstract:
        return tensor
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    drawn = construction().generator.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(drawn)
    q *= np.sign(np.diag(r))
    q = q if rows >= columns else q.T
    return copy_(tensor, (gain * q).reshape(value(tensor).shape).astype(np.float32))


def sparse_(tensor: Any, sparsity: float, std: float = 0.01, generator: Any = None) -> Any:
    """Normal numbers with the same count of zeros in every column, at random rows."""
    if construction().abstract:
        return tensor
    rows, columns = tensor.shape
    drawn = construction().generator
    numbers = drawn.standard_normal((rows, columns), np.float32) * np.float32(std)
    for column in range(columns):
        numbers[drawn.permutation(rows)[: math.ceil(sparsity * rows)], column] = 0
    return copy_(tensor, numbers)


def _of_parameters(name: str, function: Any) -> Any:
    """An initialiser of memory. What a running module computes is no memory: writing there would be lost."""

    @functools.wraps(function)
    def initialise(tensor: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(tensor, jax.Array):
            raise Refused("R05", f"nn.init.{name} of a tensor that forward computes")
        return function(tensor, *args, **kwargs)

    return initialise


for _name in [name for name in globals() if name.endswith("_") and not name.startswith("_")]:
    globals()[_name] = _of_parameters(_name, globals()[_name])

# The names before PyTorch 0.4, which older code uses.
uniform, normal, constant, eye, dirac, sparse, orthogonal = (
    uniform_, normal_, constant_, eye_, dirac_, sparse_, orthogonal_,
)  # fmt: skip
xavier_uniform, xavier_normal, kaiming_uniform, kaiming_normal = (
    xavier_uniform_, xavier_normal_, kaiming_uniform_, kaiming_normal_,
)  # fmt: skip

__all__ += [
    *("uniform", "normal", "constant", "eye", "dirac", "sparse", "orthogonal"),
    *("xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal"),
]
__all__ = sorted({*__all__, *public(globals())})
