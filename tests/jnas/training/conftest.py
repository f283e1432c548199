"""A data set and a model small enough to train in a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import jax
import numpy as np
import pytest

from jnas.training.data import Dataset, Split, channel_statistics
from jnas.training.loop import enable_compilation_cache
from translators.runtime import nn
from translators.runtime.construction import constructing


def bars(count: int, seed: int) -> Split:
    """Images 8 x 8 with one bright row; the class is its third from the top. Flips keep it, noise hides little."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int32) % 3
    images = generator.integers(0, 60, (count, 8, 8, 1), np.uint8)
    images[np.arange(count), 1 + 3 * labels - labels // 2] += 180
    return Split(images, labels)


@pytest.fixture(autouse=True, scope="session")
def compile_each_program_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    enable_compilation_cache(tmp_path_factory.mktemp("compiled"))
    yield
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.fixture
def dataset() -> Dataset:
    train = bars(96, 0)
    mean, std = channel_statistics(train)
    return Dataset("bars", train, bars(30, 1), ("top", "middle", "bottom"), mean, std, lambda: bars(42, 2))


@pytest.fixture
def make_model() -> Callable[..., nn.Module]:
    def make(seed: int = 0, dropout: float = 0.0) -> nn.Module:
        with constructing(seed):
            return nn.Sequential(
                nn.Conv2d(1, 8, 3, padding=1),
                nn.BatchNorm2d(8),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.AdaptiveAvgPool2d((8, 1)),
                nn.Flatten(),
                nn.Linear(64, 3),
            )

    return make
