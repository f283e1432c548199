"""Which images a step sees and how they are moved: functions of (seed, epoch) alone, a few numbers an image.

Order, crops, flips, holes and mixtures are drawn here, for drawing them on the device takes longer to compile than a
small network's forward.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from jnas.training.data import Split
from jnas.training.recipes import Recipe

Batches = dict[str, np.ndarray]  # stacked: the first axis is that of steps


def epoch_batches(train: Split, recipe: Recipe, rates: np.ndarray, seed: int, epoch: int) -> Batches:
    """The batches of an epoch, stacked as (S, B), an incomplete one dropped."""
    steps = len(train) // recipe.batch_size
    shape = (steps, recipe.batch_size)
    generator = np.random.default_rng([seed, epoch])
    _, height, width, _ = train.images.shape
    padding = recipe.padding(width)
    step = np.arange(epoch * steps, (epoch + 1) * steps, dtype=np.int32)
    batches = {
        "indices": generator.permutation(len(train))[: steps * recipe.batch_size].reshape(shape).astype(np.int32),
        "moves": generator.integers(-padding, padding, (*shape, 2), np.int32, endpoint=True),
        "mirrored": generator.random(shape) < (0.5 if recipe.flip == "random" else 0),
        "step": step,
        "rate": rates[step],
    }
    if recipe.flip == "alternating":  # every image mirrored in every other epoch (Jordan 2024, arXiv 2404.00498)
        first = np.random.default_rng([seed, len(train)]).random(len(train)) < 0.5
        batches["mirrored"] = first[batches["indices"]] ^ bool(epoch % 2)
    if recipe.cutout:
        batches["holes"] = generator.integers(0, (height, width), (*shape, 2), np.int32)
    if recipe.mixup:
        batches["mix"] = generator.beta(recipe.mixup, recipe.mixup, steps).astype(np.float32)
    if recipe.average:  # the decay rises, so that the first weights are soon forgotten
        batches["average"] = np.minimum(recipe.average, (1 + step) / (10 + step)).astype(np.float32)
    return batches


def evaluation_batches(count: int, batch_size: int) -> Batches:
    """All examples in order, stacked as (S, B), the last batch filled up with examples that `weight` leaves out."""
    indices = np.arange(-(-count // batch_size) * batch_size, dtype=np.int32)
    weight = np.float32(indices < count)
    shape = (-1, batch_size)
    return {"indices": np.minimum(indices, count - 1).reshape(shape), "weight": weight.reshape(shape)}


def for_seeds(batches: Sequence[Batches]) -> Batches:
    """One seed's as they are; those of several side by side, as (S, seeds, ...)."""
    if len(batches) == 1:
        return batches[0]
    return {name: np.stack([each[name] for each in batches], axis=1) for name in batches[0]}


def cut(batches: Batches, start: int, length: int) -> Iterator[Batches]:
    """Stretches of at most `length` steps from step `start` on, their ends at multiples of `length`."""
    steps = len(batches["indices"])
    while start < steps:
        end = min(steps, (start // length + 1) * length)
        yield {name: values[start:end] for name, values in batches.items()}
        start = end


def unstacked(batches: Batches) -> Iterator[Batches]:
    """Step by step, without the axis of steps."""
    yield from ({name: values[i] for name, values in batches.items()} for i in range(len(batches["indices"])))
