"""The namespace `fft`: discrete Fourier transforms."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from translators.runtime.arrays import function, namespace, public
from translators.runtime.tensor.creation import _dtype


def _over_one_axis(name: str) -> Any:
    @function
    def apply(input: Any, n: Any = None, dim: int = -1, norm: str | None = None) -> Any:
        return getattr(namespace(input).fft, name)(input, n=n, axis=dim, norm=norm)

    return apply


def _over_axes(name: str) -> Any:
    """Without `dim` over the last two axes, or those that `s` gives sizes for, or all."""

    @function
    def apply(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
        if dim is None:
            count = 2 if name.endswith("2") else input.ndim if s is None else len(s)
            dim = range(-count, 0)
        return getattr(namespace(input).fft, name)(input, s=s, axes=tuple(dim), norm=norm)

    return apply


def _shift(name: str) -> Any:
    @function
    def apply(input: Any, dim: Any = None) -> Any:
        return getattr(namespace(input).fft, name)(input, axes=dim)

    return apply


def _fftfreq(n: int, d: float = 1.0, dtype: Any = None, **placement: Any) -> np.ndarray:
    return np.fft.fftfreq(n, d).astype(_dtype(dtype))


def _rfftfreq(n: int, d: float = 1.0, dtype: Any = None, **placement: Any) -> np.ndarray:
    return np.fft.rfftfreq(n, d).astype(_dtype(dtype))


_ONE = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
_SEVERAL = ("fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn")

fft = SimpleNamespace(
    **{name: _over_one_axis(name) for name in _ONE},
    **{name: _over_axes(name) for name in _SEVERAL},
    **{name: _shift(name) for name in ("fftshift", "ifftshift")},
    fftfreq=_fftfreq,
    rfftfreq=_rfftfreq,
)

__all__ = public(globals())
