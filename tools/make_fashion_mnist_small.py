"""Make the embedded data set `fashion_mnist_small` out of Fashion-MNIST's original files.

    python tools/make_fashion_mnist_small.py --source /usr/share/datasets/fashion-mnist --out jnas/data

The source files are those of Zalando's repository (Debian: package `dataset-fashion-mnist`). Kept are the first 500
images of each class of either split, in their original order. The images are stored as uncompressed PNG and the records
are compressed together: 28 x 28 images are so small that compressing each alone would make the set a third larger.
"""

from __future__ import annotations

import argparse
import gzip
import io
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordReader, ArrayRecordWriter
from PIL import Image

PER_CLASS = 500
CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def read_idx(path: Path) -> np.ndarray:
    """The uint8 array of a gzipped IDX file."""
    content = gzip.decompress(path.read_bytes())
    dimensions = content[3]
    shape = np.frombuffer(content, ">u4", count=dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def first_of_each_class(labels: np.ndarray) -> np.ndarray:
    """Sorted indices of the first PER_CLASS examples of every class."""
    return np.sort(np.concatenate([np.flatnonzero(labels == c)[:PER_CLASS] for c in range(len(CLASS_NAMES))]))


def uncompressed_png(image: np.ndarray) -> io.BytesIO:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=0)
    buffer.seek(0)
    return buffer


class FashionMnistSmall(tfds.core.GeneratorBasedBuilder):
    """5,000 training and 5,000 test images of Fashion-MNIST, balanced over its ten classes."""

    VERSION = tfds.core.Version("1.0.0")
    name = "fashion_mnist_small"

    def __init__(self, source: Path, **arguments):
        self._source = source
        super().__init__(**arguments)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(28, 28, 1), dtype=np.uint8, encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=CLASS_NAMES),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://github.com/zalandoresearch/fashion-mnist",
            description=self.__doc__,
            citation="Xiao, Rasul, Vollgraf: Fashion-MNIST, arXiv:1708.07747, 2017.",
            license="MIT",
            disable_shuffling=True,
        )

    def _split_generators(self, download_manager) -> dict[str, Iterator]:
        return {"train": self._generate_examples("train"), "test": self._generate_examples("t10k")}

    def _generate_examples(self, prefix: str) -> Iterator[tuple[int, dict]]:
        images = read_idx(self._source / f"{prefix}-images-idx3-ubyte.gz")
        labels = read_idx(self._source / f"{prefix}-labels-idx1-ubyte.gz")
        for index in first_of_each_class(labels):
            yield int(index), {"image": uncompressed_png(images[index]), "label": int(labels[index])}


def repack(source: Path, target: Path) -> None:
    """Copy one array_record file, its records compressed in groups of 1,000."""
    reader = ArrayRecordReader(str(source))
    writer = ArrayRecordWriter(str(target), "group_size:1000,brotli:11")
    for record in reader.read_all():
        writer.write(record)
    writer.close()
    reader.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--source", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "jnas" / "data")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        builder = FashionMnistSmall(arguments.source, data_dir=scratch, file_format="array_record")
        builder.download_and_prepare()
        made = Path(builder.data_dir)
        target = arguments.out / made.relative_to(scratch)
        target.mkdir(parents=True, exist_ok=True)
        for file in sorted(made.iterdir()):
            if "array_record" in file.name:
                repack(file, target / file.name)
            elif file.name != "LICENSE":  # tfds writes three letters; the full text lies in the folder above
                shutil.copyfile(file, target / file.name)
    for file in sorted(target.iterdir()):
        print(f"{file.stat().st_size:>9,} bytes  {file}")


if __name__ == "__main__":
    main()
