"""Data sets of tfds, read without TensorFlow out of array_record files, and prepared where they are not yet."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import io
import logging
import re
import socket
import urllib.parse
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from jnas.training.decoded import Example, decoded
from jnas.training.examples import Split
from jnas.training.resizing import resized
from jnas.training.sources import Source
from translators.diagnostics import UserError

EMBEDDED = {"fashion_mnist_small": Path(__file__).parents[1] / "data" / "fashion_mnist_small" / "1.0.0"}

OFFICIAL_STATISTICS = {  # mean and standard deviation per channel, of 255 (released NAS-Bench-201 configuration)
    "cifar10": ((125.3, 123.0, 113.9), (63.0, 62.1, 66.7)),
    "cifar100": ((129.3, 124.1, 112.4), (68.2, 65.4, 70.4)),
}
NUMBER = re.compile(r"_(\d+)$")  # the end of what tfds calls an example whose authors have an order


def open_prepared(name: str, data_dir: str | Path | None, size: int | None, stream: bool) -> Source:
    """The embedded set, or any tfds set of classified images; those of several sizes need `size`. Raises UserError."""
    with _quiet_reader():
        builder = _embedded(name) if name in EMBEDDED else _prepared(name, data_dir)
        image_key, label_key = _keys(name, builder, size)
    read = partial(_read_split, builder, image_key, label_key, size, stream)
    statistics = OFFICIAL_STATISTICS.get(name) if size is None else None
    return Source(tuple(builder.info.features[label_key].names), read, statistics)


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


def _keys(name: str, builder: Any, size: int | None) -> tuple[str, str]:
    """The names of the image and label features. Raises UserError unless all images have one size, or are given one."""
    import tensorflow_datasets as tfds

    info = builder.info
    keys = info.supervised_keys
    image, label = (info.features[key] for key in keys) if keys and len(keys) == 2 else (None, None)
    if not isinstance(image, tfds.features.Image) or not isinstance(label, tfds.features.ClassLabel):
        raise UserError(
            f"dataset.name = {name}: not a set of classified images; choose another, e.g. {', '.join(EMBEDDED)}"
        )
    if image.np_dtype != np.uint8:
        raise UserError(f"dataset.name = {name}: images are {image.np_dtype}, expected uint8; choose another set")
    if None in image.shape and size is None:
        raise UserError(
            f"dataset.name = {name}: images are of several sizes, {image.shape}; choose one with dataset.size (--size)"
        )
    return keys


def _read_split(builder: Any, image_key: str, label_key: str, size: int | None, stream: bool, split: str) -> Split:
    names = ("train",) if split == "train" else ("test", "validation")
    found = next((name for name in names if name in builder.info.splits), None)
    if found is None:
        raise UserError(
            f"dataset.name = {builder.name}: no {split} split, only {', '.join(builder.info.splits)}; choose another"
        )
    with _quiet_reader():
        return _read(builder, found, image_key, label_key, size, stream)


def _read(builder: Any, split: str, image_key: str, label_key: str, size: int | None, stream: bool) -> Split:
    """A split decoded, from the cache if these very files were decoded before."""
    files = [Path(path) for path in builder.info.splits[split].filepaths]
    missing = next((path for path in files if not path.is_file()), None)
    if missing:
        raise UserError(f"{missing}: missing file of data set {builder.name}; prepare the set again")
    if not all("array_record" in path.name for path in files):
        raise UserError(f"{files[0]}: expected array_record files; prepare the set with file_format='array_record'")
    digest = hashlib.sha256(f"{image_key} {label_key} {size}".encode())
    for path in (builder.data_path / "features.json", *files):
        with Path(path).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    *_, channels = builder.info.features[image_key].shape
    shape = builder.info.features[image_key].shape if size is None else (size, size, channels)
    source = builder.as_data_source(split)

    def examples(start: int, block: int = 1000) -> Iterator[Example]:
        for first in range(start, len(source), block):
            for example in source.__getitems__(range(first, min(first + block, len(source)))):
                yield resized(example[image_key], size), example[label_key], _number(example)

    return decoded(f"{builder.name}-{split}-{digest.hexdigest()[:16]}", len(source), shape, examples, stream)


def _number(example: dict[str, Any]) -> int:
    """The place of an example in its authors' files, where its id ends with that."""
    name = example.get("id", b"")
    found = NUMBER.search(name.decode() if isinstance(name, bytes) else str(name))
    return int(found[1]) if found else -1


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
