"""Data sets out of folders of images: a sub-folder for each class, below train and test or below the folder itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from jnas.training.decoded import Example, decoded
from jnas.training.examples import Split, held_out_indices
from jnas.training.resizing import resized
from jnas.training.sources import Source
from translators.diagnostics import UserError

PREFIX = "folder:"
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}
TESTS = ("test", "val", "validation")
TEST_SHARE = 0.2  # of each class, where the folder has no test images


def open_folder(root: Path, size: int | None, seed: int, stream: bool) -> Source:
    """PATH/train/CLASS/*.png with PATH/test/CLASS/*.png, or PATH/CLASS/*.png, of which a share is drawn as test images.

    Raises UserError where there are no images, a file is none, or sizes differ and `size` is None.
    """
    if not root.is_dir():
        raise UserError(f"dataset.name = {PREFIX}{root}: no such folder; give one with a sub-folder for each class")
    train = root / "train" if (root / "train").is_dir() else root
    test = next((root / name for name in TESTS if (root / name).is_dir()), None) if train != root else None
    classes = tuple(sorted(path.name for path in train.iterdir() if path.is_dir() and not path.name.startswith(".")))
    found = {"train": _files(train, classes)}
    if test is not None:
        found["test"] = _files(test, classes)
    else:
        labels = np.array([label for _, label in found["train"]])
        drawn = set(held_out_indices(labels, TEST_SHARE, seed).tolist())
        files = list(enumerate(found["train"]))
        found["train"] = [file for index, file in files if index not in drawn]
        found["test"] = [file for index, file in files if index in drawn]
    shape = _shape([path for files in found.values() for path, _ in files], size)
    return Source(classes, lambda split: _read(root, split, found[split], shape, size, stream))


def _files(folder: Path, classes: tuple[str, ...]) -> list[tuple[Path, int]]:
    files = [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((folder / name).rglob("*"))
        if path.suffix.lower() in SUFFIXES
    ]
    if len(classes) < 2 or not files:
        raise UserError(
            f"{folder}: {len(files)} images in {len(classes)} sub-folders; expected one of images for each class"
        )
    return files


def _shape(files: list[Path], size: int | None) -> tuple[int, int, int]:
    """(H, W, C) that all have, C = 1 where all are grey. Reads headers alone."""
    from PIL import Image

    sizes, grey = set(), True
    for path in files:
        try:
            with Image.open(path) as image:
                sizes.add(image.size)
                grey = grey and image.mode in ("1", "L", "I;16")
        except OSError:
            raise UserError(f"{path}: not an image that Pillow reads; remove it") from None
        if size is None and len(sizes) > 1:
            raise UserError(f"{path}: its size is not that of the images before it; choose one with dataset.size")
    width, height = (size, size) if size is not None else sizes.pop()
    return height, width, 1 if grey else 3


def _read(
    root: Path, split: str, files: list[tuple[Path, int]], shape: tuple[int, int, int], size: int | None, stream: bool
) -> Split:
    digest = hashlib.sha256(f"{split} {shape}".encode())
    for path, label in files:
        status = path.stat()
        digest.update(f"{path.relative_to(root)} {label} {status.st_size} {status.st_mtime_ns}\n".encode())

    def examples(start: int) -> Iterator[Example]:
        for path, label in files[start:]:
            yield resized(_pixels(path, shape[2]), size), label, -1

    return decoded(f"{root.resolve().name}-{split}-{digest.hexdigest()[:16]}", len(files), shape, examples, stream)


def _pixels(path: Path, channels: int) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    except OSError as error:
        raise UserError(f"{path}: cannot be decoded ({error}); remove it") from None
    return pixels.reshape(*pixels.shape[:2], channels)
