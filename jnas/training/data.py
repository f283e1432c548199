"""Data sets: tfds array_record files read without TensorFlow and decoded once; test images only on request."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import io
import logging
import socket
import tempfile
import urllib.parse
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from jnas.library.store import default_cache
from translators.diagnostics import UserError

EMBEDDED = {"fashion_mnist_small": Path(__file__).parents[1] / "data" / "fashion_mnist_small" / "1.0.0"}

OFFICIAL_STATISTICS = {  # mean and standard deviation per channel, of 255 (released NAS-Bench-201 configuration)
    "cifar10": ((125.3, 123.0, 113.9), (63.0, 62.1, 66.7)),
    "cifar100": ((129.3, 124.1, 112.4), (68.2, 65.4, 70.4)),
}


@dataclass(frozen=True)
class Split:
    """Images uint8 (N, H, W, C) and labels int32 (N,)."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray) -> Split:
        return Split(self.images[indices], self.labels[indices])


@dataclass(frozen=True)
class Dataset:
    """`shape` is (C, H, W); `mean` and `std` are per channel, of 255; `validation` was held out of the training set."""

    name: str
    train: Split
    validation: Split
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    read_test: Callable[[], Split] = field(repr=False)

    @property
    def classes(self) -> int:
        return len(self.class_names)

    @property
    def shape(self) -> tuple[int, int, int]:
        height, width, channels = self.train.images.shape[1:]
        return channels, height, width

    @cached_property
    def test(self) -> Split:
        """Read at first use only: a search never touches it."""
        return self.read_test()


def open_dataset(
    name: str, data_dir: str | Path | None = None, *, validation: float | int = 0.1, seed: int = 0
) -> Dataset:
    """The embedded set, or any tfds set of classified images of one size; `data_dir` is where prepared sets lie.

    `validation` is a fraction or a number of training images, drawn evenly from every class by `seed`. Raises UserError
    for an unknown or unsuitable set and for one that cannot be prepared here.
    """
    with _quiet_reader():
        builder = _embedded(name) if name in EMBEDDED else _prepared(name, data_dir)
        image_key, label_key = _keys(name, builder)
        whole = _read(builder, "train", image_key, label_key)
    held_out = held_out_indices(whole.labels, validation, seed)
    train = whole.take(np.delete(np.arange(len(whole)), held_out))
    mean, std = OFFICIAL_STATISTICS.get(name) or channel_statistics(train.images)
    return Dataset(
        name=name,
        train=train,
        validation=whole.take(held_out),
        class_names=tuple(builder.info.features[label_key].names),
        mean=mean,
        std=std,
        read_test=lambda: _read_test(name, builder, image_key, label_key),
    )


def held_out_indices(labels: np.ndarray, validation: float | int, seed: int) -> np.ndarray:
    """Sorted indices of the validation examples: the same share of every class, whatever their number."""
    count = round(validation * len(labels)) if isinstance(validation, float) else validation
    if not 0 < count < len(labels):
        raise UserError(
            f"dataset.validation = {validation}: "
            f"expected a fraction between 0 and 1 or a number of images below {len(labels)}"
        )
    generator = np.random.default_rng([seed, len(labels)])
    position = np.empty(len(labels))  # of an example among its class, shuffled, from 0 to 1
    for label in np.unique(labels):
        (members,) = np.nonzero(labels == label)
        position[generator.permutation(members)] = (np.arange(len(members)) + 0.5) / len(members)
    return np.sort(np.argsort(position, kind="stable")[:count])


def channel_statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Exact mean and standard deviation per channel of uint8 images (N, H, W, C), through their histograms."""
    values = np.arange(256)
    means, deviations = [], []
    for channel in range(images.shape[-1]):
        blocks = (images[start : start + 4096, ..., channel].ravel() for start in range(0, len(images), 4096))
        counts = sum(np.bincount(block, minlength=256) for block in blocks)
        mean = float(np.average(values, weights=counts))
        means.append(mean)
        deviations.append(float(np.sqrt(np.average((values - mean) ** 2, weights=counts))) or 1.0)
    return tuple(means), tuple(deviations)


def _embedded(name: str) -> Any:
    import tensorflow_datasets as tfds

    return tfds.builder_from_directory(EMBEDDED[name])


def _prepared(name: str, data_dir: str | Path | None) -> Any:
    """The tfds builder of a set that lies in `data_dir`, prepared now if it does not yet."""
    import tensorflow_datasets as tfds

    if data_dir is not None and not Path(data_dir).is_dir():
        raise UserError(
            f"dataset.data_dir = {data_dir}: no such folder; make it, or name the one that holds prepared sets"
        )
    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError:
        known = [*EMBEDDED, *tfds.list_builders(with_community_datasets=False)]
        nearest = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else f"expected {', '.join(EMBEDDED)} or a name of tfds"
        raise UserError(f"dataset.name = {name}: no such data set; {hint}") from None
    except Exception as error:  # tfds has a dozen types for what can be wrong with a name or a folder
        raise UserError(f"dataset.name = {name}: tfds cannot open it: {_one_line(error)}") from error
    if not builder.data_path.exists():
        _prepare(name, data_dir)
        builder = tfds.builder(name, data_dir=data_dir)
    return builder


def _prepare(name: str, data_dir: str | Path | None) -> None:
    import tensorflow_datasets as tfds

    from jnas.training.cifar import BUILDERS  # those of tfds need TensorFlow

    make = BUILDERS.get(name) or partial(tfds.builder, name, try_gcs=False)
    builder = make(data_dir=data_dir, file_format="array_record")
    advice = "prepare it elsewhere (tfds, file_format='array_record') and name that folder with --data-dir"
    host = urllib.parse.urlsplit(builder.info.homepage).hostname
    try:
        # tfds would retry a host that cannot be reached for minutes.
        if host:
            socket.getaddrinfo(host, 443)
        builder.download_and_prepare()
    except socket.gaierror:
        raise UserError(
            f"dataset.name = {name}: not prepared at {builder.data_path} and no network to fetch it; {advice}"
        ) from None
    except Exception as error:  # the code of hundreds of builders runs here
        raise UserError(f"dataset.name = {name}: tfds cannot prepare it: {_one_line(error)}; {advice}") from error


def _keys(name: str, builder: Any) -> tuple[str, str]:
    """The names of the image and label features. Raises UserError unless all images have one size."""
    import tensorflow_datasets as tfds

    info = builder.info
    keys = info.supervised_keys
    image, label = (info.features[key] for key in keys) if keys and len(keys) == 2 else (None, None)
    if not isinstance(image, tfds.features.Image) or not isinstance(label, tfds.features.ClassLabel):
        raise UserError(
            f"dataset.name = {name}: not a set of classified images; choose another, e.g. {', '.join(EMBEDDED)}"
        )
    if None in image.shape or image.np_dtype != np.uint8:
        raise UserError(
            f"dataset.name = {name}: images are {image.np_dtype} {image.shape}, expected uint8 of one size; "
            f"choose another set"
        )
    return keys


def _read_test(name: str, builder: Any, image_key: str, label_key: str) -> Split:
    split = next((s for s in ("test", "validation") if s in builder.info.splits), None)
    if split is None:
        raise UserError(
            f"dataset.name = {name}: no test split, only {', '.join(builder.info.splits)}; choose another set"
        )
    with _quiet_reader():
        return _read(builder, split, image_key, label_key)


def _read(builder: Any, split: str, image_key: str, label_key: str) -> Split:
    """A split decoded, from the cache if these very files were decoded before."""
    if split not in builder.info.splits:
        raise UserError(f"dataset.name = {builder.name}: no split {split}, only {', '.join(builder.info.splits)}")
    files = [Path(path) for path in builder.info.splits[split].filepaths]
    missing = next((path for path in files if not path.is_file()), None)
    if missing:
        raise UserError(f"{missing}: missing file of data set {builder.name}; prepare the set again")
    if not all("array_record" in path.name for path in files):
        raise UserError(f"{files[0]}: expected array_record files; prepare the set with file_format='array_record'")
    digest = hashlib.sha256(f"{image_key} {label_key}".encode())
    for path in (builder.data_path / "features.json", *files):
        digest.update(Path(path).read_bytes())
    cached = default_cache() / "datasets" / f"{builder.name}-{split}-{digest.hexdigest()[:16]}.npz"
    with contextlib.suppress(OSError, ValueError, KeyError, zipfile.BadZipFile), np.load(cached) as arrays:
        return Split(arrays["images"], arrays["labels"])
    decoded = _decode(builder, split, image_key, label_key)
    with contextlib.suppress(OSError):  # a cache that cannot be written costs time, nothing else
        _write_atomically(cached, decoded)
    return decoded


def _decode(builder: Any, split: str, image_key: str, label_key: str, block: int = 1000) -> Split:
    source = builder.as_data_source(split)
    images = np.empty((len(source), *builder.info.features[image_key].shape), np.uint8)
    labels = np.empty(len(source), np.int32)
    for start in range(0, len(source), block):
        for index, example in enumerate(source.__getitems__(range(start, min(start + block, len(source)))), start):
            images[index], labels[index] = example[image_key], example[label_key]
    return Split(images, labels)


def _write_atomically(path: Path, split: Split) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npz", delete=False) as file:
        np.savez(file, images=split.images, labels=split.labels)
    Path(file.name).replace(path)


@contextlib.contextmanager
def _quiet_reader() -> Iterator[None]:
    """Without tfds' advice about TensorFlow, OpenCV and record groups, pointless for what is decoded once."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip()}".splitlines()[0][:300]
