"""ImageNet16-120 out of its authors' files: the first 120 classes of ImageNet at 16 x 16 pixels.

Chrabaszcz et al. 2017 (arXiv 1707.08819) publish the files "train_data_batch_1" to "_10" and "val_data"; which classes
and statistics count is in the released NAS-Bench-201 configuration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from jnas.training.decoded import Example, decoded
from jnas.training.examples import Split
from jnas.training.pickled import read_pickled
from jnas.training.sources import Source
from translators.diagnostics import UserError

NAME = "imagenet16_120"
CLASSES, SHAPE = 120, (16, 16, 3)
STATISTICS = ((122.68, 116.66, 104.01), (63.22, 61.26, 65.09))
MD5 = {
    "train_data_batch_1": "27846dcaa50de8e21a7d1a35f30f0e91",
    "train_data_batch_2": "c7254a054e0e795c69120a5727050e3f",
    "train_data_batch_3": "4333d3df2e5ffb114b05d2ffc19b1e87",
    "train_data_batch_4": "1620cdf193304f4a92677b695d70d10f",
    "train_data_batch_5": "348b3c2fdbb3940c4e9e834affd3b18d",
    "train_data_batch_6": "6e765307c242a1b3d7d5ef9139b48945",
    "train_data_batch_7": "564926d8cbf8fc4818ba23d2faac7564",
    "train_data_batch_8": "f4755871f718ccb653440b9dd0ebac66",
    "train_data_batch_9": "bb6dd660c38c58552125b1a92f86b5d4",
    "train_data_batch_10": "8f03f34ac4b42271a294f91bf480f29b",
    "val_data": "3410e3017fdaefba8d5073aaa65e4bd6",
}


def open_imagenet16(data_dir: Path | None, stream: bool) -> Source:
    """The files lie in `data_dir` or in its folder ImageNet16. Raises UserError where one is missing or another."""
    if data_dir is None:
        raise UserError(
            f"dataset.name = {NAME}: give the folder of the files {', '.join((*list(MD5)[:1], '...', 'val_data'))} "
            "with --data-dir (dataset.data_dir); image-net.org/download-images has them after registration"
        )
    folder = data_dir / "ImageNet16" if (data_dir / "ImageNet16").is_dir() else data_dir
    names = tuple(f"class {number}" for number in range(1, CLASSES + 1))
    return Source(names, partial(_read, folder, stream=stream), STATISTICS)


def _read(folder: Path, split: str, stream: bool) -> Split:
    files = [folder / name for name in MD5 if name.startswith("train" if split == "train" else "val")]
    for file in files:
        _check(file)
    counts, labels = [], []
    for file in files:
        of_file = np.asarray(_entry(file)[1])
        (kept,) = np.nonzero(of_file <= CLASSES)
        counts.append(len(kept))
        labels.append(of_file[kept] - 1)
    total = sum(counts)

    def examples(start: int) -> Iterator[Example]:
        number = 0
        for file, count, of_file in zip(files, counts, labels, strict=True):
            if number + count > start:
                images, all_labels = _entry(file)
                (kept,) = np.nonzero(np.asarray(all_labels) <= CLASSES)
                for index in range(max(0, start - number), count):
                    pixels = images[kept[index]].reshape(3, 16, 16).transpose(1, 2, 0)
                    yield pixels, int(of_file[index]), number + index
            number += count

    digest = hashlib.sha256("".join(MD5[file.name] for file in files).encode()).hexdigest()
    return decoded(f"{NAME}-{split}-{digest[:16]}", total, SHAPE, examples, stream)


def _check(file: Path) -> None:
    try:
        with file.open("rb") as content:
            found = hashlib.file_digest(content, "md5").hexdigest()
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}); it is one of the files of {NAME}") from None
    if found != MD5[file.name]:
        raise UserError(f"{file}: its MD5 is {found}, expected {MD5[file.name]}; fetch the file again")


def _entry(file: Path) -> tuple[np.ndarray, list[int]]:
    """(images uint8 (N, 768), labels from 1 to 1000)."""
    content = read_pickled(file)
    try:
        images, labels = content["data"], content["labels"]
        if images.dtype == np.uint8 and images.shape == (len(labels), 768):
            return images, labels
    except (KeyError, TypeError, AttributeError):
        pass
    raise UserError(f"{file}: expected a dict of data, uint8 (N, 768), and labels; fetch the file again")
