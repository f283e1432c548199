"""CIFAR-10 and CIFAR-100 prepared from their authors' archives without TensorFlow, which the builders of tfds need.

Names, features, order and pixels are those of the stock builders, so that folders prepared by either are read alike.
Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images".
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

PIXELS = 3 * 32 * 32


def read_records(path: Path, labels: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(labels (L,), image uint8 (32, 32, 3)) for each record of a binary file."""
    records = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, labels + PIXELS)
    for record in records:
        yield record[:labels], record[labels:].reshape(3, 32, 32).transpose(1, 2, 0)


def png(image: np.ndarray) -> io.BytesIO:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    buffer.seek(0)
    return buffer


@dataclass(frozen=True)
class Archive:
    """What the authors publish: `labels` maps features to (classes, file of names), in the order of the label bytes."""

    file: str
    folder: str
    labels: Mapping[str, tuple[int, str]]
    splits: Mapping[str, tuple[str, ...]]


class _Cifar(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    VERSION = tfds.core.Version("3.0.2")
    archive: Archive

    def _info(self) -> tfds.core.DatasetInfo:
        labels = {key: tfds.features.ClassLabel(num_classes=n) for key, (n, _) in self.archive.labels.items()}
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__,
            features=tfds.features.FeaturesDict(
                {"id": tfds.features.Text(), "image": tfds.features.Image(shape=(32, 32, 3)), **labels}
            ),
            supervised_keys=("image", "label"),
            homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
        fetched = dl_manager.download_and_extract(f"https://www.cs.toronto.edu/~kriz/{self.archive.file}")
        folder = Path(fetched) / self.archive.folder
        for key, (_, file) in self.archive.labels.items():
            self.info.features[key].names = (folder / file).read_text().split()
        return {split: self._generate_examples(split, folder) for split in self.archive.splits}

    def _generate_examples(self, split: str, folder: Path) -> Iterator[tuple[int, dict[str, Any]]]:
        keys = tuple(self.archive.labels)
        records = (record for file in self.archive.splits[split] for record in read_records(folder / file, len(keys)))
        for index, (labels, image) in enumerate(records):
            named = dict(zip(keys, map(int, labels), strict=True))
            yield index, {"id": f"{split}_{index:05d}", "image": png(image), **named}


class Cifar10(_Cifar, skip_registration=True):  # type: ignore[call-arg]
    """60,000 colour images of 32 x 32 pixels in 10 classes."""

    archive = Archive(
        "cifar-10-binary.tar.gz",
        "cifar-10-batches-bin",
        {"label": (10, "batches.meta.txt")},
        {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)},
    )


class Cifar100(_Cifar, skip_registration=True):  # type: ignore[call-arg]
    """60,000 colour images of 32 x 32 pixels in 100 classes of 20 groups."""

    archive = Archive(
        "cifar-100-binary.tar.gz",
        "cifar-100-binary",
        {"coarse_label": (20, "coarse_label_names.txt"), "label": (100, "fine_label_names.txt")},
        {"train": ("train.bin",), "test": ("test.bin",)},
    )


BUILDERS = {"cifar10": Cifar10, "cifar100": Cifar100}
