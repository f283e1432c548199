"""Images that stay on disk: the same batches in the same order, and decoding that goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from jnas.training import programs as programs_module
from jnas.training.data import open_dataset
from jnas.training.decoded import BLOCK, Example, decoded
from jnas.training.loop import fit
from jnas.training.recipes import Recipe
from translators.runtime import nn

RECIPE = Recipe(epochs=2, batch_size=32, learning_rate=0.05)


@pytest.mark.parametrize(("scans", "score_on"), [(False, "validation"), (False, "test"), (True, "validation")])
def test_streamed_images_train_as_those_on_the_device(
    scans: bool, score_on: str, make_model: Callable[..., nn.Module], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("grain")
    monkeypatch.setenv("JNAS_CACHE", str(tmp_path))
    monkeypatch.setattr(programs_module, "execution", lambda platform: (scans, jnp.float32))
    fits = []
    for stream in (False, True):
        opened = open_dataset("fashion_mnist_small", validation=4900, stream=stream)
        assert isinstance(opened.train.images, np.memmap) == stream == opened.train.streamed
        if score_on == "test":
            object.__setattr__(opened, "test", opened.test.take(np.arange(50)))
            object.__setattr__(opened, "validation", opened.validation.take(np.arange(30)))
        with_ten = nn.Sequential(make_model(), nn.Linear(3, 10))
        fits.append(fit(with_ten, opened, RECIPE, seed=1, score_on=score_on))
    assert fits[0].loss == pytest.approx(fits[1].loss, rel=1e-5)
    for name, array in fits[0].state.items():
        np.testing.assert_allclose(fits[1].state[name], array, rtol=1e-4, atol=1e-6, err_msg=name)


def test_decoding_goes_on_where_it_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JNAS_CACHE", str(tmp_path))
    count, asked = 2 * BLOCK + 10, []

    def examples(start: int, end: int = count) -> Iterator[Example]:
        asked.append(start)
        for number in range(start, end):
            yield np.full((2, 2, 1), number % 256, np.uint8), number % 7, number

    def killed(start: int) -> Iterator[Example]:
        yield from examples(start, BLOCK + 5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decoded("set-train-0", count, (2, 2, 1), killed)
    split = decoded("set-train-0", count, (2, 2, 1), examples)
    assert asked == [0, BLOCK] and np.array_equal(split.images[:, 0, 0, 0], np.arange(count) % 256)
    assert np.array_equal(split.numbers, np.arange(count))
    decoded("set-train-0", count, (2, 2, 1), examples)
    assert asked == [0, BLOCK]
