"""Functions that make tensors. They return NumPy arrays: plain memory during construction, constants when traced."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from translators.diagnostics import Refused
from translators.runtime.arrays import ARRAYS, as_dtype, namespace, op, public, value


def _shape(size: tuple) -> tuple[int, ...]:
    """Sizes given one by one or as one sequence."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    return tuple(int(n) for n in size)


def _dtype(dtype: Any, default: Any = np.float32) -> Any:
    return np.dtype(default) if dtype is None else as_dtype(dtype)


def zeros(*size: Any, dtype: Any = None, **placement: Any) -> np.ndarray:
    return np.zeros(_shape(size or (placement.pop("size"),)), _dtype(dtype))


def ones(*size: Any, dtype: Any = None, **placement: Any) -> np.ndarray:
    return np.ones(_shape(size or (placement.pop("size"),)), _dtype(dtype))


def empty(*size: Any, dtype: Any = None, **placement: Any) -> np.ndarray:
    """Zeros: PyTorch leaves the content undefined."""
    return np.zeros(_shape(size or (placement.pop("size"),)), _dtype(dtype))


def full(size: Sequence[int], fill_value: Any, dtype: Any = None, **placement: Any) -> Any:
    fill_value = value(fill_value)
    if isinstance(fill_value, jax.Array):
        return jnp.full(_shape((size,)), fill_value, None if dtype is None else as_dtype(dtype))
    kind = {bool: np.bool_, int: np.int64, float: np.float32}.get(type(fill_value), np.float32)
    return np.full(_shape((size,)), fill_value, _dtype(dtype, kind))


def _like(x: Any, dtype: Any) -> Any:
    return _dtype(dtype, value(x).dtype)


def zeros_like(input: Any, dtype: Any = None, **placement: Any) -> np.ndarray:
    return np.zeros(input.shape, _like(input, dtype))


def ones_like(input: Any, dtype: Any = None, **placement: Any) -> np.ndarray:
    return np.ones(input.shape, _like(input, dtype))


def empty_like(input: Any, dtype: Any = None, **placement: Any) -> np.ndarray:
    return np.zeros(input.shape, _like(input, dtype))


def full_like(input: Any, fill_value: Any, dtype: Any = None, **placement: Any) -> Any:
    return full(input.shape, fill_value, dtype=_like(input, dtype))


def new_zeros(input: Any, *size: Any, dtype: Any = None, **placement: Any) -> np.ndarray:
    return np.zeros(_shape(size), _like(input, dtype))


def new_ones(input: Any, *size: Any, dtype: Any = None, **placement: Any) -> np.ndarray:
    return np.ones(_shape(size), _like(input, dtype))


def new_empty(input: Any, *size: Any, dtype: Any = None, **placement: Any) -> np.ndarray:
    return np.zeros(_shape(size), _like(input, dtype))


def new_full(input: Any, size: Sequence[int], fill_value: Any, dtype: Any = None, **placement: Any) -> Any:
    return full(size, fill_value, dtype=_like(input, dtype))


def new_tensor(input: Any, data: Any, dtype: Any = None, **placement: Any) -> Any:
    return tensor(data, dtype=_like(input, dtype))


@op
def new(input: Any, *data: Any) -> Any:
    """A tensor of sizes given one by one, or of numbers, with the dtype of `input`."""
    if all(isinstance(n, int | np.integer) for n in data):
        return np.zeros(tuple(data), input.dtype)
    return tensor(data[0], dtype=input.dtype)


def tensor(data: Any, dtype: Any = None, **placement: Any) -> Any:
    """Python floats become float32, integers int64; an array keeps its dtype."""
    data = value(data)
    if isinstance(data, jax.Array):
        return data if dtype is None else data.astype(as_dtype(dtype))
    if isinstance(data, (list, tuple)) and not _all_numbers(data):
        if any(isinstance(x, jax.Array) for x in jax.tree.leaves(data)):
            return jnp.array(data, None if dtype is None else as_dtype(dtype))
        data = jax.tree.map(lambda x: np.asarray(value(x)), data, is_leaf=lambda x: isinstance(x, ARRAYS))
    array = np.array(data)
    if dtype is not None:
        return array.astype(as_dtype(dtype))
    if array.dtype == np.float64 and not isinstance(data, (np.ndarray, np.generic)):
        return array.astype(np.float32)
    return array


def _all_numbers(data: Sequence[Any]) -> bool:
    """Whether nested lists hold Python's numbers alone, of which some sources write millions."""
    return all(type(x) in (int, float, bool) or (isinstance(x, (list, tuple)) and _all_numbers(x)) for x in data)


as_tensor = asarray = tensor


def from_numpy(ndarray: Any) -> Any:
    return ndarray


def scalar_tensor(s: Any, dtype: Any = None, **placement: Any) -> Any:
    return tensor(float(s), dtype=dtype)


def _whole(x: Any) -> bool:
    return isinstance(x, (int, np.integer)) or (hasattr(x, "dtype") and x.dtype.kind in "iu")


def arange(start: Any = 0, end: Any = None, step: Any = 1, dtype: Any = None, **placement: Any) -> np.ndarray:
    start, end, step = (value(x) for x in (start, end, step))
    if any(isinstance(x, jax.core.Tracer) for x in (start, end, step)):
        raise Refused("R04", "arange over a size that depends on data")
    if end is None:
        start, end = 0, start
    kind = np.int64 if all(map(_whole, (start, end, step))) else np.float32
    count = builtins.max(0, int(np.ceil((float(end) - float(start)) / float(step))))
    return (start + step * np.arange(count)).astype(_dtype(dtype, kind))


def linspace(start: float, end: float, steps: int = 100, dtype: Any = None, **placement: Any) -> np.ndarray:
    return np.linspace(start, end, steps).astype(_dtype(dtype))


def logspace(
    start: float, end: float, steps: int = 100, base: float = 10.0, dtype: Any = None, **placement: Any
) -> Any:
    return np.logspace(start, end, steps, base=base).astype(_dtype(dtype))


def eye(n: int, m: int | None = None, dtype: Any = None, **placement: Any) -> np.ndarray:
    return np.eye(n, m, dtype=_dtype(dtype))


def _window(length: int, periodic: bool, dtype: Any, make: Any) -> np.ndarray:
    """A periodic window is a symmetric one of one more element, without the last."""
    if length <= 1:
        return np.ones(length, _dtype(dtype))
    return (make(length + 1)[:-1] if periodic else make(length)).astype(_dtype(dtype))


def hann_window(window_length: int, periodic: bool = True, dtype: Any = None, **placement: Any) -> np.ndarray:
    return _window(window_length, periodic, dtype, np.hanning)


def bartlett_window(window_length: int, periodic: bool = True, dtype: Any = None, **placement: Any) -> np.ndarray:
    return _window(window_length, periodic, dtype, np.bartlett)


def blackman_window(window_length: int, periodic: bool = True, dtype: Any = None, **placement: Any) -> np.ndarray:
    return _window(window_length, periodic, dtype, np.blackman)


def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, dtype: Any = None,
    **placement: Any,
) -> np.ndarray:  # fmt: skip
    def symmetric(n: int) -> np.ndarray:
        return alpha - beta * np.cos(2 * np.pi * np.arange(n) / (n - 1))

    return _window(window_length, periodic, dtype, symmetric)


def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, dtype: Any = None, **placement: Any
) -> np.ndarray:
    return _window(window_length, periodic, dtype, lambda n: np.kaiser(n, beta))


def tril_indices(row: int, col: int, offset: int = 0, dtype: Any = None, **placement: Any) -> np.ndarray:
    return np.stack(np.tril_indices(row, offset, col)).astype(_dtype(dtype, np.int64))


def triu_indices(row: int, col: int, offset: int = 0, dtype: Any = None, **placement: Any) -> np.ndarray:
    return np.stack(np.triu_indices(row, offset, col)).astype(_dtype(dtype, np.int64))


def cartesian_prod(*tensors: Any) -> Any:
    if len(tensors) == 1:
        return value(tensors[0])
    axes = meshgrid(*tensors)
    return namespace(*axes).stack([axis.reshape(-1) for axis in axes], axis=-1)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple:
    """PyTorch's default is matrix ("ij") indexing."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    arrays = [value(x) for x in tensors]
    return tuple(namespace(*arrays).meshgrid(*arrays, indexing=indexing))


@op
def clone(input: Any, **memory: Any) -> Any:
    """A copy where copies matter: NumPy arrays are written in place during construction."""
    return input.copy() if isinstance(input, np.ndarray) else input


@op
def complex(real: Any, imag: Any) -> Any:
    return real + 1j * imag


__all__ = public(globals())
