from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from jnas.training.recipes import RECIPES


def test_nasbench201_is_the_released_configuration() -> None:
    recipe = RECIPES["nasbench201"]
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate) == (200, 256, 0.1)
    assert (recipe.momentum, recipe.nesterov, recipe.weight_decay) == (0.9, True, 5e-4)
    assert (recipe.warmup, recipe.label_smoothing, recipe.clip_norm, recipe.flip) == (0, 0, math.inf, "random")
    assert (recipe.padding(32), recipe.padding(16)) == (4, 2)
    assert RECIPES["nasbench201_12"] == replace(recipe, epochs=12)


def test_cosine_falls_from_the_rate_to_zero_at_every_step() -> None:
    rates = RECIPES["nasbench201"].learning_rates(100)
    assert rates.shape == (20_000,) and rates.dtype == np.float32
    assert math.isclose(rates[0], 0.1, rel_tol=1e-6) and math.isclose(rates[10_000], 0.05, rel_tol=1e-5)
    assert 0 < rates[-1] < 1e-8 and np.all(np.diff(rates.astype(float)) <= 0)


def test_warm_up_rises_to_the_rate() -> None:
    recipe = replace(RECIPES["fast"], epochs=10, warmup=0.2, learning_rate=1.0)
    rates = recipe.learning_rates(10)
    assert np.argmax(rates) == 20 and math.isclose(rates[20], 1.0)
    assert np.all(np.diff(rates[:21]) > 0) and np.all(np.diff(rates[20:]) < 0)
