"""Data sets by name: embedded, of tfds, of its authors' files, or a folder of images; test images only on request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from jnas.training import folders, imagenet16
from jnas.training.examples import Split, channel_statistics, held_out_indices
from jnas.training.prepared import EMBEDDED, open_prepared
from jnas.training.sources import Source
from jnas.training.splits import chosen, official_numbers
from translators.diagnostics import UserError

__all__ = ["EMBEDDED", "Dataset", "Split", "channel_statistics", "held_out_indices", "open_dataset"]
SIZES = (8, 224)  # pixels to which images are brought on request


@dataclass(frozen=True)
class Dataset:
    """`shape` is (C, H, W); `mean` and `std` are per channel, of 255.

    `held_out`: the validation images are training images, and the final training has them too.
    """

    name: str
    train: Split
    validation: Split
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    read_test: Callable[[], Split] = field(repr=False)
    held_out: bool = True

    @property
    def classes(self) -> int:
        return len(self.class_names)

    @property
    def shape(self) -> tuple[int, int, int]:
        height, width, channels = self.train.images.shape[1:]
        return channels, height, width

    @cached_property
    def test(self) -> Split:
        """Read at first use only: a search never touches it."""
        return self.read_test()


def open_dataset(
    name: str,
    data_dir: str | Path | None = None,
    *,
    validation: float | int = 0.1,
    seed: int = 0,
    splits: str | None = None,
    size: int | None = None,
    stream: bool = False,
) -> Dataset:
    """The embedded set, a tfds set, "imagenet16_120", or "folder:PATH"; `data_dir` is where prepared sets lie.

    `validation` is a fraction or a number of training images, drawn evenly from every class by `seed`; `splits` names
    a file of official splits instead. `size` is a side in pixels to which images are brought. With `stream` images
    stay on disk and reach the device batch by batch. Raises UserError for what does not exist or cannot be prepared.
    """
    if size is not None and not SIZES[0] <= size <= SIZES[1]:
        raise UserError(f"dataset.size = {size}: expected {SIZES[0]} to {SIZES[1]} pixels")
    source = _open(name, data_dir, seed, size, stream)
    whole = source.read("train")
    held_out = True
    if splits is None:
        indices = held_out_indices(whole.labels, validation, seed)
        train, held = whole.take(np.delete(np.arange(len(whole)), indices)), whole.take(indices)
    else:
        numbers = official_numbers(Path(splits), name)
        held_out = "train" in numbers
        train = chosen(whole, numbers["train"], Path(splits)) if held_out else whole
        held = chosen(whole if held_out else source.read("test"), numbers["validation"], Path(splits))
    mean, std = source.statistics or channel_statistics(train)

    def read_test() -> Split:
        test = source.read("test")
        return test if held_out else chosen(test, numbers["test"], Path(splits or ""))

    return Dataset(name, train, held, source.class_names, mean, std, read_test, held_out)


def _open(name: str, data_dir: str | Path | None, seed: int, size: int | None, stream: bool) -> Source:
    if name.startswith(folders.PREFIX):
        return folders.open_folder(Path(name.removeprefix(folders.PREFIX)), size, seed, stream)
    if name == imagenet16.NAME:
        return imagenet16.open_imagenet16(Path(data_dir) if data_dir else None, stream)
    return open_prepared(name, data_dir, size, stream)
