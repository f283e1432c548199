"""Official splits of the data sets of NAS-Bench-201, out of the files that its authors publish."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from jnas.training.examples import Split
from translators.diagnostics import UserError

# Data set -> (array of the training images, of the validation images, of the test images) in an .npz of all splits,
# and the same keys in the authors' text files (cifar-split.txt, cifar100-test-split.txt, ...).
KEYS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "cifar10": (
        {"train": "cifar_split_train", "validation": "cifar_split_valid"},
        {"train": "train", "validation": "valid"},
    ),
    "cifar100": (
        {"validation": "cifar100_test_split_xvalid", "test": "cifar100_test_split_xtest"},
        {"validation": "xvalid", "test": "xtest"},
    ),
    "imagenet16_120": (
        {"validation": "imagenet_16_120_test_split_xvalid", "test": "imagenet_16_120_test_split_xtest"},
        {"validation": "xvalid", "test": "xtest"},
    ),
}


def official_numbers(path: Path, dataset: str) -> dict[str, np.ndarray]:
    """By split, the numbers of its images: of training images where there is "train", else of test images.

    `path` is an .npz or one of the authors' text files. Raises UserError.
    """
    if dataset not in KEYS:
        raise UserError(f"dataset.splits = {path}: there are official splits of {', '.join(KEYS)}, not of {dataset}")
    in_npz, in_text = KEYS[dataset]
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return {split: arrays[key].astype(np.int64) for split, key in in_npz.items()}
        content = json.loads(path.read_text(encoding="utf-8"))
        return {split: _numbers(content[key]) for split, key in in_text.items()}
    except OSError as error:
        raise UserError(f"dataset.splits = {path}: cannot be read ({error.strerror}); give an existing file") from None
    except (KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise UserError(
            f"dataset.splits = {path}: no official split of {dataset} ({type(error).__name__}: {error}); "
            "give the authors' text file, or an .npz of its arrays"
        ) from None


def chosen(split: Split, numbers: np.ndarray, path: Path) -> Split:
    """The examples with these numbers, in that order. Raises UserError where they are not known or not there."""
    if split.numbers is None or (split.numbers < 0).any():
        raise UserError(f"dataset.splits = {path}: the prepared set does not tell its authors' order")
    place = {int(number): index for index, number in enumerate(split.numbers)}
    try:
        return split.take(np.array([place[int(number)] for number in numbers]))
    except KeyError as error:
        raise UserError(f"dataset.splits = {path}: names image {error}, which the set does not have") from None


def _numbers(value: Any) -> np.ndarray:
    """A list of numbers, or a pair of a type's name and their texts, as the authors write it."""
    if isinstance(value[0], str) and isinstance(value[1], list):
        value = value[1]
    return np.array([int(number) for number in value], np.int64)
