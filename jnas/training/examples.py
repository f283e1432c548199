"""Classified images, in memory or on disk, and what is counted over them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from translators.diagnostics import UserError


@dataclass(frozen=True)
class Split:
    """Images uint8 (N, H, W, C) and labels int32 (N,).

    `numbers`: place of each example in its authors' files, where that is known. `rows`: where the images stay on disk,
    those of these examples among them; `images` are then more than N.
    """

    images: np.ndarray
    labels: np.ndarray
    numbers: np.ndarray | None = None
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def streamed(self) -> bool:
        return self.rows is not None

    def take(self, indices: np.ndarray) -> Split:
        numbers = None if self.numbers is None else self.numbers[indices]
        if self.rows is not None:
            return Split(self.images, self.labels[indices], numbers, self.rows[indices])
        return Split(self.images[indices], self.labels[indices], numbers)

    def pixels(self, indices: np.ndarray) -> np.ndarray:
        """The images of some examples, read where they stay on disk."""
        return self.images[indices if self.rows is None else self.rows[indices]]


def joined(first: Split, second: Split) -> Split:
    """The examples of both, which stay on disk where both do, in the same file."""
    labels = np.concatenate([first.labels, second.labels])
    if first.rows is not None and second.rows is not None:
        return Split(first.images, labels, None, np.concatenate([first.rows, second.rows]))
    return Split(np.concatenate([first.images, second.images]), labels)


def held_out_indices(labels: np.ndarray, validation: float | int, seed: int) -> np.ndarray:
    """Sorted indices of the validation examples: the same share of every class, whatever their number."""
    count = round(validation * len(labels)) if isinstance(validation, float) else validation
    if not 0 < count < len(labels):
        raise UserError(
            f"dataset.validation = {validation}: "
            f"expected a fraction between 0 and 1 or a number of images below {len(labels)}"
        )
    generator = np.random.default_rng([seed, len(labels)])
    position = np.empty(len(labels))  # of an example among its class, shuffled, from 0 to 1
    for label in np.unique(labels):
        (members,) = np.nonzero(labels == label)
        position[generator.permutation(members)] = (np.arange(len(members)) + 0.5) / len(members)
    return np.sort(np.argsort(position, kind="stable")[:count])


def channel_statistics(split: Split, block: int = 4096) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Exact mean and standard deviation per channel, of 255, through histograms."""
    channels = split.images.shape[-1]
    counts = np.zeros((channels, 256), np.int64)
    for start in range(0, len(split), block):
        images = split.pixels(np.arange(start, min(start + block, len(split))))
        for channel in range(channels):
            counts[channel] += np.bincount(images[..., channel].ravel(), minlength=256)
    values = np.arange(256)
    means = [float(np.average(values, weights=row)) for row in counts]
    variances = [np.average((values - mean) ** 2, weights=row) for mean, row in zip(means, counts, strict=True)]
    return tuple(means), tuple(float(np.sqrt(variance)) or 1.0 for variance in variances)
