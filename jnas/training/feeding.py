"""How images reach the programs: the whole set on the device, or batches streamed to it while it computes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jnas.training.batches import Batches
from jnas.training.data import Split
from jnas.training.programs import Programs


class Feed:
    """The chunks of a split as the programs take them; `data` is what stays on the device."""

    def __init__(self, programs: Programs, split: Split):
        self.programs, self.split = programs, split
        self.data = programs.place((split.images, split.labels))

    def first(self, batches: Batches, length: int | None = None) -> Batches:
        """A chunk to compile for."""
        return next(self.chunks(batches, 0, length))

    def chunks(self, batches: Batches, start: int = 0, length: int | None = None) -> Iterator[Batches]:
        """From step `start` on, ending at multiples of `length`."""
        return self.programs.chunks(batches, start, length)


def joined(first: Split, second: Split) -> Split:
    """The examples of both."""
    return Split(np.concatenate([first.images, second.images]), np.concatenate([first.labels, second.labels]))
