from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from jnas.training import imagenet16
from jnas.training.data import open_dataset
from tests.jnas.training.test_pickled import pickled
from translators.diagnostics import UserError


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The authors' files made small: eight images of twelve each, of classes up to 1,000."""
    monkeypatch.setenv("JNAS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "data" / "ImageNet16"
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for name in imagenet16.MD5:
        labels = [1, 120, 7, 7, 60, 60, 2, 3, 121, 500, 1000, 999]
        content = pickled(generator.integers(0, 256, (12, 768)).astype(np.uint8), labels, 2)
        (folder / name).write_bytes(content)
        monkeypatch.setitem(imagenet16.MD5, name, hashlib.md5(content).hexdigest())
    return tmp_path / "data"


def test_the_first_120_classes_by_the_official_split(files: Path, tmp_path: Path) -> None:
    split = tmp_path / "imagenet-16-120-test-split.txt"
    split.write_text(json.dumps({"xvalid": ["int", ["1", "3", "6"]], "xtest": ["int", ["0", "2", "4", "5", "7"]]}))
    opened = open_dataset("imagenet16_120", files, splits=str(split))
    assert (opened.shape, opened.classes, opened.held_out) == ((3, 16, 16), 120, False)
    assert (len(opened.train), opened.mean) == (80, (122.68, 116.66, 104.01))
    assert opened.train.labels[:8].tolist() == [0, 119, 6, 6, 59, 59, 1, 2]
    assert opened.validation.labels.tolist() == [119, 6, 1] and opened.test.labels.tolist() == [0, 6, 59, 59, 2]


def test_files_that_are_missing_or_others_are_named(files: Path) -> None:
    (files / "ImageNet16" / "train_data_batch_3").write_bytes(b"other")
    with pytest.raises(UserError, match=r"train_data_batch_3: its MD5 is .*fetch the file again"):
        open_dataset("imagenet16_120", files)
    (files / "ImageNet16" / "train_data_batch_3").unlink()
    with pytest.raises(UserError, match=r"train_data_batch_3: cannot be read"):
        open_dataset("imagenet16_120", files)
    with pytest.raises(UserError, match=r"give the folder of the files train_data_batch_1"):
        open_dataset("imagenet16_120")
