"""Splits decoded once and kept in the cache as plain arrays, which can stay on disk while they are used.

Decoding goes on where a killed process stopped; a lock lets one process decode what several need.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from jnas.library.store import default_cache
from jnas.training.examples import Split

Example = tuple[np.ndarray, int, int]  # image uint8 (H, W, C), label, number in the authors' files or -1
BLOCK = 1000  # examples between two notes of how far decoding has come
WORTH_SHOWING = 20_000  # examples


def decoded(
    key: str, count: int, shape: tuple[int, ...], examples: Callable[[int], Iterable[Example]], stream: bool = False
) -> Split:
    """`count` examples of one shape, from the cache where it has `key`; `examples(i)` yields them from number i on.

    With `stream` the images stay on disk. `key` names the source, its content and everything that changes pixels.
    """
    final = default_cache() / "datasets" / key
    with contextlib.suppress(OSError, ValueError):
        return _read(final, count, stream)
    try:
        with _locked(final):
            with contextlib.suppress(OSError, ValueError):  # another process was faster
                return _read(final, count, stream)
            _decode(final, count, shape, examples)
            return _read(final, count, stream)
    except OSError:
        if stream:
            raise
    # A cache that cannot be written costs time, nothing else.
    images, labels, numbers = np.empty((count, *shape), np.uint8), np.empty(count, np.int32), np.empty(count, np.int64)
    for index, (image, label, number) in enumerate(examples(0)):
        images[index], labels[index], numbers[index] = image, label, number
    return Split(images, labels, numbers)


def _read(folder: Path, count: int, stream: bool) -> Split:
    images = np.load(folder / "images.npy", mmap_mode="r" if stream else None)
    labels, numbers = np.load(folder / "labels.npy"), np.load(folder / "numbers.npy")
    if not len(images) == len(labels) == len(numbers) == count:
        raise ValueError(f"{folder}: incomplete")
    return Split(images, labels, numbers, np.arange(count) if stream else None)


def _decode(final: Path, count: int, shape: tuple[int, ...], examples: Callable[[int], Iterable[Example]]) -> None:
    partial = final.with_name(f".{final.name}.partial")
    note = partial / "done.json"
    try:
        done = json.loads(note.read_text())
        images, labels, numbers = (np.lib.format.open_memmap(partial / f"{name}.npy", "r+") for name in _NAMES)
    except (OSError, ValueError):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        done, kinds = 0, ((np.uint8, (count, *shape)), (np.int32, (count,)), (np.int64, (count,)))
        images, labels, numbers = (
            np.lib.format.open_memmap(partial / f"{name}.npy", "w+", kind, size)
            for name, (kind, size) in zip(_NAMES, kinds, strict=True)
        )
    with _progress(final.name, count) as progress:
        for index, (image, label, number) in enumerate(examples(done), done):
            images[index], labels[index], numbers[index] = image, label, number
            if (index + 1) % BLOCK == 0 or index + 1 == count:
                for array in (images, labels, numbers):
                    array.flush()
                note.write_text(json.dumps(index + 1))
                progress(index + 1)
    note.unlink(missing_ok=True)
    shutil.rmtree(final, ignore_errors=True)  # there is one only if it was damaged
    partial.replace(final)


_NAMES = ("images", "labels", "numbers")


@contextlib.contextmanager
def _locked(final: Path) -> Iterator[None]:
    final.parent.mkdir(parents=True, exist_ok=True)
    lock = final.with_name(f".{final.name}.lock")
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
        lock.unlink(missing_ok=True)


@contextlib.contextmanager
def _progress(name: str, count: int) -> Iterator[Callable[[int], None]]:
    """A bar on the terminal for what takes long."""
    from rich.console import Console
    from rich.progress import Progress

    shown = count >= WORTH_SHOWING and sys.stderr.isatty()
    with Progress(console=Console(stderr=True), transient=True, disable=not shown) as bar:
        task = bar.add_task(f"decoding {name}", total=count)
        yield lambda done: bar.update(task, completed=done)
