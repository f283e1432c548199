"""Interpolation and sampling grids. Linear modes are one small constant matrix per axis."""

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
    a = -0.75
    at = _positions(n, out, scale, align_corners)
    base = np.floor(at).astype(np.int64)
    t = at - base
    matrix = np.zeros((out, n), np.float32)
    for offset in (-1, 0, 1, 2):
        d = np.abs(t - offset)
        near = (a + 2) * d**3 - (a + 3) * d**2 + 1
        far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
        np.add.at(matrix, (np.arange(out), np.clip(base + offset, 0, n - 1)), np.where(d <= 1, near, far))
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
    if antialias:
        raise Refused("R10", "interpolate with antialias=True")
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
def affine_grid(theta: Any, size: Sequence[int], align_corners: bool | None = None) -> Any:
    """theta (N, 2, 3), size (N, C, H, W): sampling positions (N, H, W, 2) in [-1, 1]."""
    _, _, height, width = size

    def axis(n: int) -> np.ndarray:
        steps = np.linspace(-1, 1, n, dtype=np.float32) if n > 1 else np.zeros(1, np.float32)
        return steps if align_corners else steps * np.float32((n - 1) / n)

    rows, columns = np.meshgrid(axis(height), axis(width), indexing="ij")
    base = np.stack([columns, rows, np.ones_like(rows)], -1)
    return jnp.einsum("hwk,nok->nhwo", base, theta, precision="highest")


def _unnormalised(coordinate: Any, n: int, align_corners: bool) -> Any:
    return (coordinate + 1) / 2 * (n - 1) if align_corners else ((coordinate + 1) * n - 1) / 2


def _reflected(coordinate: Any, n: int, align_corners: bool) -> Any:
    low, high = (0.0, n - 1.0) if align_corners else (-0.5, n - 0.5)
    span = high - low
    if span == 0:
        return jnp.zeros_like(coordinate)
    distance = jnp.abs(coordinate - low)
    flips, rest = jnp.floor(distance / span), distance % span
    return jnp.clip(jnp.where(flips % 2 == 0, rest + low, high - rest), 0, n - 1)


@function
def grid_sample(
    input: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Any:
    """input (N, C, H, W) sampled at grid (N, h, w, 2), whose last axis is (x, y) in [-1, 1]."""
    x = jnp.asarray(input)
    if x.ndim != 4 or mode not in ("bilinear", "nearest"):
        raise Refused("R10", f"grid_sample with mode {mode!r} over {x.ndim - 2} axes")
    height, width = x.shape[2:]
    places = []
    for coordinate, n in ((grid[..., 1], height), (grid[..., 0], width)):
        place = _unnormalised(coordinate, n, bool(align_corners))
        if padding_mode == "border":
            place = jnp.clip(place, 0, n - 1)
        elif padding_mode == "reflection":
            place = _reflected(place, n, bool(align_corners))
        places.append(place)
    if mode == "nearest":
        return _pick(x, *(jnp.round(place).astype(jnp.int32) for place in places))
    (top, left) = (jnp.floor(place).astype(jnp.int32) for place in places)
    (v, u) = (place - jnp.floor(place) for place in places)
    corners = ((0, 0, (1 - v) * (1 - u)), (0, 1, (1 - v) * u), (1, 0, v * (1 - u)), (1, 1, v * u))
    return sum(_pick(x, top + i, left + j) * weight[:, None] for i, j, weight in corners)


def _pick(x: Any, rows: Any, columns: Any) -> Any:
    """x (N, C, H, W) at integer places (N, h, w); zero outside."""
    height, width = x.shape[2:]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    batch = np.arange(x.shape[0])[:, None, None]
    found = x[batch, :, jnp.clip(rows, 0, height - 1), jnp.clip(columns, 0, width - 1)]
    return jnp.moveaxis(found, -1, 1) * inside[:, None]


__all__ = public(globals())
