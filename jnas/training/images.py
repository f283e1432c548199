"""Batches out of a data set that lies on the device as uint8: gathered, moved and mirrored in one indexing."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp


def gather(images: jax.Array, indices: jax.Array) -> jax.Array:
    """uint8 (N, H, W, C), int32 (B,) -> (B, H, W, C)."""
    return jnp.take(images, indices, axis=0)


def gather_moved(images: jax.Array, indices: jax.Array, moves: jax.Array, mirrored: jax.Array) -> jax.Array:
    """Like `gather`, image b moved by `moves[b]` (rows, columns) over black and then mirrored where `mirrored[b]`."""
    _, height, width, _ = images.shape
    rows = jnp.arange(height) - moves[:, :1]
    columns = jnp.arange(width) - moves[:, 1:]
    columns = jnp.where(mirrored[:, None], columns[:, ::-1], columns)
    where = (indices[:, None, None], rows[:, :, None], columns[:, None, :])
    return images.at[where].get(mode="fill", fill_value=0, wrap_negative_indices=False)


def normalise(batch: jax.Array, mean: Sequence[float], std: Sequence[float]) -> jax.Array:
    """uint8 (B, H, W, C) -> float32 (B, C, H, W)."""
    scaled = (batch.astype(jnp.float32) - jnp.asarray(mean, jnp.float32)) / jnp.asarray(std, jnp.float32)
    return scaled.transpose(0, 3, 1, 2)


def with_holes(batch: jax.Array, centres: jax.Array, size: jax.Array) -> jax.Array:
    """float32 (B, C, H, W) with the mean colour in a square of `size` pixels around each centre (row, column).

    Cutout, DeVries and Taylor 2017; what lies outside the image is cut off.
    """
    *_, height, width = batch.shape
    far_rows = jnp.abs(jnp.arange(height) - centres[:, :1] + 0.5) > size / 2
    far_columns = jnp.abs(jnp.arange(width) - centres[:, 1:] + 0.5) > size / 2
    return jnp.where(far_rows[:, None, :, None] | far_columns[:, None, None, :], batch, 0)


def mixed(values: jax.Array, share: jax.Array) -> jax.Array:
    """Each example (B, ...) by `share`, the rest the example before it. Mixup, Zhang et al. 2018."""
    return share * values + (1 - share) * jnp.roll(values, 1, axis=0)
