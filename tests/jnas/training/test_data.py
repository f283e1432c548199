from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jnas.training import prepared
from jnas.training.data import Split, channel_statistics, held_out_indices, open_dataset
from translators.diagnostics import UserError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JNAS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_embedded_set_is_balanced_and_disjoint(cache: Path) -> None:
    opened = open_dataset("fashion_mnist_small", validation=0.2)
    assert (opened.shape, opened.classes, opened.class_names[0]) == ((1, 28, 28), 10, "T-shirt/top")
    assert (len(opened.train), len(opened.validation), len(opened.test)) == (4000, 1000, 5000)
    for split in (opened.train, opened.validation, opened.test):
        assert split.images.dtype == np.uint8 and split.labels.dtype == np.int32
        assert len(set(np.bincount(split.labels))) == 1
    seen = {image.tobytes() for image in opened.train.images}
    assert sum(image.tobytes() in seen for image in opened.validation.images) <= 2  # the source repeats a few images
    assert 70 < opened.mean[0] < 76 and 88 < opened.std[0] < 93


def test_test_split_is_read_only_when_asked_for(cache: Path) -> None:
    opened = open_dataset("fashion_mnist_small")
    assert [path.name.split("-")[1] for path in (cache / "datasets").iterdir()] == ["train"]
    assert opened.test is opened.test
    assert len(list((cache / "datasets").iterdir())) == 2


def test_a_damaged_cache_is_decoded_again(cache: Path) -> None:
    first = open_dataset("fashion_mnist_small")
    (folder,) = (cache / "datasets").iterdir()
    file = folder / "images.npy"
    file.write_bytes(file.read_bytes()[:1000])
    assert np.array_equal(open_dataset("fashion_mnist_small").train.images, first.train.images)


def test_opening_needs_neither_tensorflow_nor_jax_devices(cache: Path) -> None:
    program = (
        "import sys; from jnas.training.data import open_dataset; open_dataset('fashion_mnist_small');"
        "assert 'tensorflow' not in sys.modules;"
        "jax = sys.modules.get('jax'); assert jax is None or not jax._src.xla_bridge._backends"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("validation", [0.25, 25, 7])
def test_held_out_examples_come_evenly_from_every_class(validation: float | int) -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    held_out = held_out_indices(labels, validation, seed=3)
    count = 25 if validation == 0.25 else validation
    assert len(set(held_out)) == count
    expected = np.array([60, 30, 10]) * count / 100
    assert np.all(np.abs(np.bincount(labels[held_out], minlength=3) - expected) <= 1)
    assert np.array_equal(held_out, held_out_indices(labels, validation, seed=3))
    assert not np.array_equal(held_out, held_out_indices(labels, validation, seed=4))


@pytest.mark.parametrize("validation", [0.0, 1.0, 0, 100, -5])
def test_unusable_validation_shares_are_refused(validation: float | int) -> None:
    with pytest.raises(UserError, match=r"dataset\.validation = .*expected a fraction"):
        held_out_indices(np.zeros(100, int), validation, seed=0)


def test_channel_statistics_equal_numpy() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5000, 3, 2, 3), np.uint8)
    mean, std = channel_statistics(Split(images, np.zeros(5000, np.int32)))
    np.testing.assert_allclose(mean, images.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, images.std((0, 1, 2)), rtol=1e-12)
    assert channel_statistics(Split(np.full((2, 2, 2, 1), 7, np.uint8), np.zeros(2, np.int32))) == ((7.0,), (1.0,))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fashion_mnist_smal", "did you mean fashion_mnist_small?"),
        ("cifar_10", "did you mean cifar10?"),
        ("zzzzzz", "expected fashion_mnist_small or a name of tfds"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        open_dataset(name)
    assert message in str(caught.value) and name in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_folder_is_named() -> None:
    with pytest.raises(UserError, match=r"dataset\.data_dir = /nowhere: no such folder"):
        open_dataset("cifar10", "/nowhere")


def test_without_network_an_unprepared_set_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object) -> None:
        raise socket.gaierror("no network")

    monkeypatch.setattr(prepared.socket, "getaddrinfo", no_network)
    with pytest.raises(UserError) as caught:
        open_dataset("cifar10", tmp_path)
    message = str(caught.value)
    assert str(tmp_path) in message and "no network" in message and "--data-dir" in message


def test_sets_without_labelled_images_are_refused(tmp_path: Path) -> None:
    import tensorflow_datasets as tfds

    class Sounds(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> tfds.core.DatasetInfo:
            features = tfds.features.FeaturesDict({"volume": tfds.features.Scalar(np.int64)})
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, dl_manager: object) -> dict:
            return {"train": iter([(0, {"volume": 3})])}

        def _generate_examples(self) -> None: ...

    Sounds(data_dir=tmp_path, file_format="array_record").download_and_prepare()
    with pytest.raises(UserError, match=r"dataset\.name = sounds: not a set of classified images"):
        open_dataset("sounds", tmp_path)
