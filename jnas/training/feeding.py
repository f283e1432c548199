"""How images reach the programs: the whole set on the device, or batches streamed to it while it computes."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np

from jnas.training.batches import Batches, cut
from jnas.training.examples import Split
from jnas.training.programs import Programs
from translators.diagnostics import UserError

THREADS, AHEAD = 8, 16  # that read images, and batches that wait for the device


class Feed:
    """The chunks of a split as the programs take them; `data` is what stays on the device.

    A streamed split has the same batches in the same order as one that lies on the device.
    """

    def __init__(self, programs: Programs, split: Split):
        self.programs, self.split = programs, split
        self.data = () if split.streamed else programs.place((split.images, split.labels))
        if split.streamed and find_spec("grain") is None:
            raise UserError("dataset.stream = true: needs grain, which reads ahead; pip install 'jnas[stream]'")
        if split.streamed and len(programs.models) > 1:
            raise UserError("dataset.stream = true: seeds side by side would each need images of their own; use one")

    def first(self, batches: Batches, length: int | None = None) -> Batches:
        """A chunk to compile for."""
        if self.split.streamed:
            return self._with_images(next(cut(batches, 0, 1)))
        return next(self.chunks(batches, 0, length))

    def chunks(self, batches: Batches, start: int = 0, length: int | None = None) -> Iterator[Batches]:
        """From step `start` on, ending at multiples of `length`; streamed, a chunk is a step."""
        if not self.split.streamed:
            yield from self.programs.chunks(batches, start, length)
            return
        import grain

        def read(step: int) -> Batches:
            return self._with_images({name: values[step : step + 1] for name, values in batches.items()})

        steps = grain.MapDataset.range(start, len(batches["indices"])).map(read)
        yield from steps.to_iter_dataset(grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=AHEAD))

    def _with_images(self, batch: Batches) -> Any:
        """One step: the stretch of length one that a scan takes, or the step itself."""
        indices = batch["indices"][0]
        images, labels = self.split.pixels(indices), self.split.labels[indices]
        rest = {name: values for name, values in batch.items() if name != "indices"}
        stretch = {**rest, "images": np.asarray(images)[None], "labels": labels[None]}
        return stretch if self.programs.scans else {name: values[0] for name, values in stretch.items()}
