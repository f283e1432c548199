"""Recipes as data: everything about a training but the model, the images and the seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

FLIPS = ("none", "random", "alternating")
OPTIMISERS = ("sgd", "muon")  # made in optimisers.py


@dataclass(frozen=True)
class Recipe:
    """A step per batch under a cosine that ends at zero, after a linear increase over the share `warmup` of all steps.

    `optimiser`: "sgd" with momentum, or "muon". Weight decay acts on every parameter. `clip_norm` bounds the norm of
    the gradient; infinity leaves it as it is. `flip`: "none", "random", or "alternating" from epoch to epoch.
    `crop_padding` and `cutout`, the side of a hole, are in pixels. `mixup`: alpha of its Beta distribution.
    `average`: decay of the exponential average of weights and statistics that is scored instead of them; 0: none.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    optimiser: str = "sgd"
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    warmup: float = 0.0
    label_smoothing: float = 0.0
    clip_norm: float = math.inf
    flip: str = "random"
    crop_padding: int = 4
    cutout: int = 0
    mixup: float = 0.0
    average: float = 0.0

    def learning_rates(self, steps_per_epoch: int) -> np.ndarray:
        """The rate of every step, float32 (epochs * steps_per_epoch,)."""
        total = self.epochs * steps_per_epoch
        warm = round(self.warmup * total)
        step = np.arange(total)
        rising = (step + 1) / (warm + 1)
        falling = 0.5 * (1 + np.cos(np.pi * (step - warm) / max(1, total - warm)))
        return (self.learning_rate * np.where(step < warm, rising, falling)).astype(np.float32)

    def padding(self, size: int) -> int:
        """Pixels that a crop may move an image of `size` pixels: half on small ones (METHOD: 2 at 16 pixels)."""
        return self.crop_padding if size > 16 else self.crop_padding // 2


RECIPES: dict[str, Recipe] = {  # the last two: released NAS-Bench-201 configuration; the others are ours
    "quick": Recipe(
        epochs=2, batch_size=64, learning_rate=0.1, warmup=0.15, label_smoothing=0.1, clip_norm=5.0, crop_padding=2
    ),
    "fast": Recipe(
        epochs=10,
        batch_size=128,
        learning_rate=0.2,
        warmup=0.1,
        label_smoothing=0.1,
        clip_norm=5.0,
        flip="alternating",
        average=0.98,
    ),
    "nasbench201": Recipe(epochs=200, batch_size=256, learning_rate=0.1, weight_decay=5e-4),
    "nasbench201_12": Recipe(epochs=12, batch_size=256, learning_rate=0.1, weight_decay=5e-4),
}
