"""Folders of images as data sets: with and without test images, grey and colour, of one size or brought to one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jnas.training.data import open_dataset
from translators.diagnostics import UserError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JNAS_CACHE", str(tmp_path / "cache"))


def write(folder: Path, count: int, level: int, size: tuple[int, int] = (9, 8), mode: str = "RGB") -> None:
    folder.mkdir(parents=True)
    for index in range(count):
        Image.new(mode, size, level if mode == "L" else (level, 0, index)).save(folder / f"{index}.png")


def test_folders_of_train_and_test_images(tmp_path: Path) -> None:
    for split, count in (("train", 10), ("test", 3)):
        write(tmp_path / "set" / split / "apples", count, 40)
        write(tmp_path / "set" / split / "pears", count, 200)
    opened = open_dataset(f"folder:{tmp_path / 'set'}", validation=4)
    assert (opened.shape, opened.class_names) == ((3, 8, 9), ("apples", "pears"))
    assert (len(opened.train), len(opened.validation), len(opened.test)) == (16, 4, 6)
    for split in (opened.train, opened.validation, opened.test):
        assert np.array_equal(split.images[:, 0, 0, 0], np.where(split.labels, 200, 40))


def test_without_test_images_a_share_of_each_class_is_drawn_by_the_seed(tmp_path: Path) -> None:
    write(tmp_path / "set" / "a", 20, 10, mode="L")
    write(tmp_path / "set" / "b", 10, 90, mode="L")
    name = f"folder:{tmp_path / 'set'}"
    opened, again, other = (open_dataset(name, validation=3, seed=seed) for seed in (0, 0, 1))
    assert opened.shape == (1, 8, 9) and np.bincount(opened.test.labels).tolist() == [4, 2]
    assert np.array_equal(opened.train.images, again.train.images)
    assert len(other.train) == len(opened.train) == 21


def test_images_of_several_sizes_need_one(tmp_path: Path) -> None:
    write(tmp_path / "set" / "a", 5, 10, size=(40, 20))
    write(tmp_path / "set" / "b", 5, 90, size=(16, 16))
    with pytest.raises(UserError, match=r"its size is not that of the images before it; choose one with dataset\.size"):
        open_dataset(f"folder:{tmp_path / 'set'}")
    opened = open_dataset(f"folder:{tmp_path / 'set'}", validation=2, size=24)
    assert opened.shape == (3, 24, 24)
    assert np.array_equal(opened.train.images[:, 12, 12, 0], np.where(opened.train.labels, 90, 10))
    with pytest.raises(UserError, match=r"dataset\.size = 500: expected 8 to 224"):
        open_dataset(f"folder:{tmp_path / 'set'}", size=500)


def test_what_is_no_set_of_images_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder; give one with a sub-folder for each class"):
        open_dataset(f"folder:{tmp_path / 'none'}")
    write(tmp_path / "set" / "a", 3, 10)
    with pytest.raises(UserError, match="3 images in 1 sub-folders"):
        open_dataset(f"folder:{tmp_path / 'set'}")
    write(tmp_path / "set" / "b", 3, 10)
    (tmp_path / "set" / "b" / "x.png").write_text("no image")
    with pytest.raises(UserError, match=r"x\.png: not an image that Pillow reads"):
        open_dataset(f"folder:{tmp_path / 'set'}")
