"""Padding, patches and channel-to-space moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from translators.diagnostics import Refused
from translators.runtime.arrays import function, namespace, op, pair_of, public

_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@function
def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: Any = None) -> Any:
    """Amounts for the last axis first: (left, right, top, bottom, ...). Negative amounts crop."""
    pad = [int(n) for n in pad]
    amounts = [(0, 0)] * (input.ndim - len(pad) // 2) + [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]
    if mode == "constant":
        number = np.asarray(0 if value is None else value, input.dtype)
        if isinstance(input, jax.Array):
            return lax.pad(input, number, [(low, high, 0) for low, high in amounts])
        cropped = input[tuple(slice(max(0, -a), n - max(0, -b)) for n, (a, b) in zip(input.shape, amounts))]
        return np.pad(cropped, [(max(0, a), max(0, b)) for a, b in amounts], constant_values=number)
    if mode not in _MODES:
        raise Refused("R10", f"F.pad with mode {mode!r}")
    if mode == "circular":
        input = input[tuple(slice(max(0, -a), n - max(0, -b)) for n, (a, b) in zip(input.shape, amounts))]
        amounts = [(max(0, a), max(0, b)) for a, b in amounts]
    for n, (low, high) in zip(input.shape, amounts):
        if max(low, high) > (n - 1 if mode == "reflect" else n) and mode != "replicate":
            raise ValueError(f"{mode} padding {(low, high)} is too large for an axis of {n}")
    x = namespace(input).pad(input, [(max(0, a), max(0, b)) for a, b in amounts], mode=_MODES[mode])
    return x[tuple(slice(max(0, -a), n - max(0, -b)) for n, (a, b) in zip(x.shape, amounts))]


@function
def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Patches of (N, C, H, W) as columns: (N, C * kh * kw, positions)."""
    kernel, dilation, padding, stride = (pair_of(v) for v in (kernel_size, dilation, padding, stride))
    x = jnp.asarray(input)
    if x.ndim == 3:
        return unfold(x[None], kernel, dilation, padding, stride)[0]
    x = jnp.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    taps, (height, width) = _taps(x.shape[2:], kernel, dilation, stride)
    columns = jnp.stack([x[(..., *tap)] for tap in taps], axis=2)
    return columns.reshape(x.shape[0], x.shape[1] * len(taps), height * width)


def _taps(
    shape: Sequence[int], kernel: Any, dilation: Any, stride: Any
) -> tuple[list[tuple[slice, slice]], tuple[int, int]]:
    """For each kernel position the slice of an image that meets it, and the number of positions per axis."""
    counts = tuple((n - d * (k - 1) - 1) // s + 1 for n, k, d, s in zip(shape, kernel, dilation, stride))
    taps = [
        tuple(slice(p * d, p * d + (c - 1) * s + 1, s) for p, d, c, s in zip(position, dilation, counts, stride))
        for position in np.ndindex(*kernel)
    ]
    return taps, counts  # type: ignore[return-value]


@function
def fold(input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """The sum of overlapping patches: (N, C * kh * kw, positions) to (N, C, H, W)."""
    size, kernel, dilation, padding, stride = (
        pair_of(v) for v in (output_size, kernel_size, dilation, padding, stride)
    )
    x = jnp.asarray(input)
    if x.ndim == 2:
        return fold(x[None], size, kernel, dilation, padding, stride)[0]
    whole = tuple(n + 2 * p for n, p in zip(size, padding))
    taps, counts = _taps(whole, kernel, dilation, stride)
    columns = x.reshape(x.shape[0], -1, len(taps), *counts)
    image = jnp.zeros((x.shape[0], columns.shape[1], *whole), x.dtype)
    for i, tap in enumerate(taps):
        image = image.at[(..., *tap)].add(columns[:, :, i])
    return image[..., padding[0] : whole[0] - padding[0], padding[1] : whole[1] - padding[1]]


@op
def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """(..., C r^2, H, W) to (..., C, H r, W r)."""
    *lead, channels, height, width = input.shape
    r, n = upscale_factor, len(lead)
    x = input.reshape(*lead, channels // r**2, r, r, height, width)
    x = x.transpose(*range(n + 1), n + 3, n + 1, n + 4, n + 2)
    return x.reshape(*lead, channels // r**2, height * r, width * r)


@op
def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """(..., C, H r, W r) to (..., C r^2, H, W)."""
    *lead, channels, height, width = input.shape
    r, n = downscale_factor, len(lead)
    x = input.reshape(*lead, channels, height // r, r, width // r, r)
    x = x.transpose(*range(n + 1), n + 2, n + 4, n + 1, n + 3)
    return x.reshape(*lead, channels * r**2, height // r, width // r)


@op
def channel_shuffle(input: Any, groups: int) -> Any:
    """Channels (groups, C / groups) transposed."""
    n, channels, *rest = input.shape
    x = input.reshape(n, groups, channels // groups, *rest)
    return namespace(x).swapaxes(x, 1, 2).reshape(input.shape)


__all__ = public(globals())
