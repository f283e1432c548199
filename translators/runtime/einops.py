"""einops on arrays, parameters and buffers: same names and arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import einops

from translators.runtime.arrays import public, value

_Tensors = Any  # one tensor, or a list of them that einops stacks


def _values(tensors: _Tensors) -> Any:
    return [value(tensor) for tensor in tensors] if isinstance(tensors, list | tuple) else value(tensors)


def rearrange(tensor: _Tensors, pattern: str, **axes_lengths: int) -> Any:
    return einops.rearrange(_values(tensor), pattern, **axes_lengths)


def reduce(tensor: _Tensors, pattern: str, reduction: str, **axes_lengths: int) -> Any:
    return einops.reduce(_values(tensor), pattern, reduction, **axes_lengths)


def repeat(tensor: _Tensors, pattern: str, **axes_lengths: int) -> Any:
    return einops.repeat(_values(tensor), pattern, **axes_lengths)


def einsum(*tensors_and_pattern: Any) -> Any:
    return einops.einsum(*map(_values, tensors_and_pattern))


def pack(tensors: Sequence[Any], pattern: str) -> Any:
    return einops.pack(_values(list(tensors)), pattern)


def unpack(tensor: Any, packed_shapes: Any, pattern: str) -> Any:
    return einops.unpack(value(tensor), packed_shapes, pattern)


def parse_shape(x: Any, pattern: str) -> Any:
    return einops.parse_shape(value(x), pattern)


__all__ = public(globals())
