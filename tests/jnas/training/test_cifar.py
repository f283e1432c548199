"""CIFAR from the layout of its authors' archives, made small, and read back like any prepared set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from jnas.training import cifar
from jnas.training.data import open_dataset
from jnas.training.prepared import OFFICIAL_STATISTICS


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_prepared_without_tensorflow_and_read_back(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JNAS_CACHE", str(tmp_path / "cache"))
    archive = cifar.BUILDERS[name].archive
    folder = tmp_path / archive.folder
    folder.mkdir()
    generator = np.random.default_rng(0)
    written = {}
    for split, files in archive.splits.items():
        images = generator.integers(0, 256, (len(files), 10, 3, 32, 32), np.uint8)
        labels = np.stack([np.tile(np.arange(10, dtype=np.uint8), (len(files), 1))] * len(archive.labels), -1)
        written[split] = images.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        for file, file_images, file_labels in zip(files, images, labels, strict=True):
            records = np.concatenate([file_labels, file_images.reshape(10, -1)], axis=1)
            (folder / file).write_bytes(records.tobytes())
    for classes, file in archive.labels.values():
        (folder / file).write_text("\n".join(f"class{i}" for i in range(classes)) + "\n")

    def fetched(self: object, url: str) -> Path:
        assert url.endswith(archive.file)
        return tmp_path

    monkeypatch.setattr(tfds.download.DownloadManager, "download_and_extract", fetched)
    monkeypatch.setattr("jnas.training.prepared.socket.getaddrinfo", lambda *_: [])
    opened = open_dataset(name, tmp_path, validation=5)
    assert (opened.shape, opened.classes, opened.class_names[3]) == ((3, 32, 32), archive.labels["label"][0], "class3")
    assert np.array_equal(np.sort(opened.test.images, 0), np.sort(written["test"], 0))
    assert len(opened.train) + len(opened.validation) == len(written["train"])
    assert (opened.mean, opened.std) == OFFICIAL_STATISTICS[name]
    labels_of = {image.tobytes(): i % 10 for i, image in enumerate(written["train"])}
    assert all(
        labels_of[image.tobytes()] == label
        for image, label in zip(opened.train.images, opened.train.labels, strict=True)
    )
