"""Interpolation: one small constant matrix per axis in the linear and cubic modes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from translators.diagnostics import Refused
from translators.runtime.arrays import function, pair_of, public
from translators.runtime.functional.pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

_LINEAR = {"linear": 1, "bilinear": 2, "trilinear": 3}
_AREA = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}


def _positions(n: int, out: int, scale: float | None, align_corners: bool) -> np.ndarray:
    """Source coordinates of the output elements, in float32 as PyTorch computes them."""
    i = np.arange(out, dtype=np.float32)
    if align_corners:
        return i * np.float32((n - 1) / (out - 1) if out > 1 else 0)
    return (i + np.float32(0.5)) * np.float32(_step(n, out, scale)) - np.float32(0.5)


def _step(n: int, out: int, scale: float | None) -> float:
    return 1 / scale if scale else n / out


def _linear_matrix(n: int, out: int, scale: float | None, align_corners: bool) -> np.ndarray:
    """(out, n): two neighbouring weights per row."""
    at = np.maximum(_positions(n, out, scale, align_corners), 0)
    low = np.minimum(at.astype(np.int64), n - 1)
    fraction = at - low
    matrix = np.zeros((out, n), np.float32)
    rows = np.arange(out)
    np.add.at(matrix, (rows, low), 1 - fraction)
    np.add.at(matrix, (rows, np.minimum(low + 1, n - 1)), fraction)
    return matrix


def _cubic_matrix(n: int, out: int, scale: float | None, align_corners: bool) -> np.ndarray:
    """(out, n): four weights per row of the kernel with a = -0.75, indices clamped to the border."""
    at = _positions(n, out, scale, align_corners)
    base = np.floor(at).astype(np.int64)
    t = at - base
    matrix = np.zeros((out, n), np.float32)
    for offset in (-1, 0, 1, 2):
        weights = _cubic(np.abs(t - offset), -0.75)
        np.add.at(matrix, (np.arange(out), np.clip(base + offset, 0, n - 1)), weights)
    return matrix


def _cubic(d: np.ndarray, a: float) -> np.ndarray:
    """The cubic convolution kernel at distances below two."""
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
    return np.where(d <= 1, near, far)


def _smoothing_matrix(n: int, out: int, scale: float | None, align_corners: bool, cubic: bool) -> np.ndarray:
    """(out, n): a filter as wide as the step, cut off at the border and normalised; the cubic one has a = -0.5."""
    if align_corners:
        step = (n - 1) / (out - 1) if out > 1 else 0.0
    else:
        step = _step(n, out, scale)
    width = max(step, 1.0)
    reach = width * (2 if cubic else 1)
    matrix = np.zeros((out, n), np.float32)
    for i in range(out):
        centre = step * (i + 0.5)
        places = np.arange(max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), n))
        d = np.abs(places - centre + 0.5) / width
        weights = np.where(d < 2, _cubic(d, -0.5), 0) if cubic else np.maximum(1 - d, 0)
        matrix[i, places] = weights / weights.sum()
    return matrix


def _nearest_indices(n: int, out: int, scale: float | None, exact: bool) -> np.ndarray:
    step = np.float32(_step(n, out, scale))
    at = (np.arange(out, dtype=np.float32) + np.float32(0.5 if exact else 0)) * step
    return np.minimum(np.floor(at).astype(np.int64), n - 1)


def _apply(x: Any, axis: int, matrix: np.ndarray) -> Any:
    moved = jnp.matmul(jnp.moveaxis(x, axis, -1), matrix.T.astype(x.dtype), precision="highest")
    return jnp.moveaxis(moved, -1, axis)


@function
def interpolate(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None, antialias: bool = False,
) -> Any:  # fmt: skip
    """x (N, C, ...). Coordinates use the given scale factor unless it is recomputed, as in PyTorch."""
    x = jnp.asarray(input)
    spatial = x.ndim - 2
    if size is not None:
        outs: Sequence[int] = [int(n) for n in pair_of(size, spatial)]
        scales: Sequence[float | None] = [None] * spatial
    else:
        factors = [float(f) for f in pair_of(scale_factor, spatial)]
        outs = [math.floor(n * f) for n, f in zip(x.shape[2:], factors)]
        scales = [None] * spatial if recompute_scale_factor else factors
    if mode == "area":
        return _AREA[spatial](x, tuple(outs))
    for axis, (n, out, scale) in enumerate(zip(x.shape[2:], outs, scales), start=2):
        if mode in ("nearest", "nearest-exact"):
            if n != out or scale not in (None, 1.0):
                x = jnp.take(x, _nearest_indices(n, out, scale, mode == "nearest-exact"), axis=axis)
        elif antialias and mode in ("bilinear", "bicubic") and spatial == 2:
            x = _apply(x, axis, _smoothing_matrix(n, out, scale, bool(align_corners), mode == "bicubic"))
        elif _LINEAR.get(mode) == spatial:
            if n != out or scale not in (None, 1.0):
                x = _apply(x, axis, _linear_matrix(n, out, scale, bool(align_corners)))
        elif mode == "bicubic" and spatial == 2:
            x = _apply(x, axis, _cubic_matrix(n, out, scale, bool(align_corners)))
        else:
            raise Refused("R10", f"interpolate with mode {mode!r} over {spatial} axes")
    return x


@function
def upsample(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Any:
    return interpolate(input, size, scale_factor, mode, align_corners)


@function
def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    return interpolate(input, size, scale_factor, "nearest")


@function
def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    return interpolate(input, size, scale_factor, "bilinear", align_corners=True)


__all__ = public(globals())
