"""Sampling an image or volume at the places of a grid."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from translators.diagnostics import Refused
from translators.runtime.arrays import function, public


@function
def affine_grid(theta: Any, size: Sequence[int], align_corners: bool | None = None) -> Any:
    """theta (N, d, d + 1), size (N, C, d sizes): sampling positions (N, d sizes, d) in [-1, 1], last axis first."""

    def axis(n: int) -> np.ndarray:
        steps = np.linspace(-1, 1, n, dtype=np.float32) if n > 1 else np.zeros(1, np.float32)
        return steps if align_corners else steps * np.float32((n - 1) / n)

    places = np.meshgrid(*(axis(int(n)) for n in size[2:]), indexing="ij")
    base = np.stack([*reversed(places), np.ones_like(places[0])], -1)
    return jnp.einsum("...k,nok->n...o", base, theta, precision="highest")


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


def _inside(place: Any, n: int, padding_mode: str, align_corners: bool) -> Any:
    if padding_mode == "border":
        return jnp.clip(place, 0, n - 1)
    return _reflected(place, n, align_corners) if padding_mode == "reflection" else place


def _cubic_weights(t: Any) -> list[Any]:
    """Weights of the four neighbours at -1, 0, 1, 2 from the fraction t, with a = -0.75."""
    a = -0.75

    def near(d: Any) -> Any:
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d: Any) -> Any:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


@function
def grid_sample(
    input: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Any:
    """input (N, C, sizes) at grid (N, places, d), whose last axis is (x, y) or (x, y, z) in [-1, 1]."""
    x, corners = jnp.asarray(input), bool(align_corners)
    sizes = x.shape[2:]
    if mode not in ("bilinear", "nearest", "bicubic") or (mode == "bicubic" and len(sizes) != 2):
        raise Refused("R10", f"grid_sample with mode {mode!r} over {len(sizes)} axes")
    places = [_unnormalised(grid[..., -1 - i], n, corners) for i, n in enumerate(sizes)]
    if mode == "bicubic":
        bases = [jnp.floor(place) for place in places]
        weights = [_cubic_weights(place - base) for place, base in zip(places, bases)]
        total = 0
        for taps in itertools.product(range(4), repeat=len(sizes)):
            near = [_inside(base + tap - 1, n, padding_mode, corners) for base, tap, n in zip(bases, taps, sizes)]
            total = total + _pick(x, near) * _product(weights, taps)
        return total
    places = [_inside(place, n, padding_mode, corners) for place, n in zip(places, sizes)]
    if mode == "nearest":
        return _pick(x, [jnp.round(place) for place in places])
    bases = [jnp.floor(place) for place in places]
    weights = [[1 - (place - base), place - base] for place, base in zip(places, bases)]
    total = 0
    for taps in itertools.product(range(2), repeat=len(sizes)):
        total = total + _pick(x, [base + tap for base, tap in zip(bases, taps)]) * _product(weights, taps)
    return total


def _product(weights: Sequence[Sequence[Any]], taps: Sequence[int]) -> Any:
    """The weight of one neighbour, (N, 1, places)."""
    product = weights[0][taps[0]]
    for axis, tap in zip(weights[1:], taps[1:]):
        product = product * axis[tap]
    return product[:, None]


def _pick(x: Any, places: Sequence[Any]) -> Any:
    """x (N, C, sizes) at whole places, each (N, places); zero outside."""
    inside, index = True, []
    for place, n in zip(places, x.shape[2:]):
        inside = inside & (place >= 0) & (place <= n - 1)
        index.append(jnp.clip(place, 0, n - 1).astype(np.int32))
    batch = np.arange(x.shape[0]).reshape(-1, *(1,) * (index[0].ndim - 1))
    found = x[(batch, slice(None), *index)]
    return jnp.moveaxis(found, -1, 1) * jnp.asarray(inside)[:, None]


__all__ = public(globals())
