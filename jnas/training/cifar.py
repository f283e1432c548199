"""CIFAR-10 and CIFAR-100 prepared from their authors' archives without TensorFlow, which the builders of tfds need.

Names, features, order and pixels are those of the stock builders, so that folders prepared by either are read alike.
Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images".
"""

from __future__ import annotations

import io
from collections.abc import Iterator
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


class _Cifar(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    VERSION = tfds.core.Version("3.0.2")
    archive: str
    folder: str
    label_counts: dict[str, int]  # feature name -> classes, in the order of the label bytes
    label_files: dict[str, str]  # feature name -> file of class names
    split_files: dict[str, tuple[str, ...]]

    def _info(self) -> tfds.core.DatasetInfo:
        labels = {key: tfds.features.ClassLabel(num_classes=count) for key, count in self.label_counts.items()}
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
        folder = Path(dl_manager.download_and_extract(f"https://www.cs.toronto.edu/~kriz/{self.archive}")) / self.folder
        for key, file in self.label_files.items():
            self.info.features[key].names = (folder / file).read_text().split()
        return {split: self._generate_examples(split, folder) for split in self.split_files}

    def _generate_examples(self, split: str, folder: Path) -> Iterator[tuple[int, dict[str, Any]]]:
        records = (record for file in self.split_files[split] for record in read_records(folder / file, len(self.label_files)))
        for index, (labels, image) in enumerate(records):
            named = dict(zip(self.label_files, map(int, labels), strict=True))
            yield index, {"id": f"{split}_{index:05d}", "image": png(image), **named}


class Cifar10(_Cifar, skip_registration=True):
    """60,000 colour images of 32 x 32 pixels in 10 classes."""

    archive = "cifar-10-binary.tar.gz"
    folder = "cifar-10-batches-bin"
    label_counts = {"label": 10}
    label_files = {"label": "batches.meta.txt"}
    split_files = {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)}


class Cifar100(_Cifar, skip_registration=True):
    """60,000 colour images of 32 x 32 pixels in 100 classes of 20 groups."""

    archive = "cifar-100-binary.tar.gz"
    folder = "cifar-100-binary"
    label_counts = {"coarse_label": 20, "label": 100}
    label_files = {"coarse_label": "coarse_label_names.txt", "label": "fine_label_names.txt"}
    split_files = {"train": ("train.bin",), "test": ("test.bin",)}


BUILDERS = {"cifar10": Cifar10, "cifar100": Cifar100}
