from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jnas.training.recipe_files import recipe
from jnas.training.recipes import RECIPES, Recipe
from translators.diagnostics import UserError


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


def test_a_file_departs_from_a_recipe_or_says_everything(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('base = "fast"\nlearning_rate = 0.02\noptimiser = "muon"\nmixup = 1\n')
    mine = recipe(str(file), epochs=3)
    assert mine == replace(RECIPES["fast"], epochs=3, learning_rate=0.02, optimiser="muon", mixup=1)
    file.write_text("epochs = 7\nbatch_size = 32\nlearning_rate = 1\n")
    assert recipe(str(file)) == Recipe(7, 32, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('base = "quik"', "base = 'quik': expected one of quick"),
        ("epochs = 3", "no batch_size, learning_rate; add them, or base"),
        ('base = "quick"\nlearning_rat = 1', "unknown key learning_rat; did you mean learning_rate?"),
        ('base = "quick"\nepochs = 1.5', "epochs = 1.5: expected a whole number"),
        ('base = "quick"\nnesterov = 1', "nesterov = 1: expected true or false"),
        ('base = "quick"\naverage = 2', "average = 2: expected a number from 0 to 1"),
        ('base = "quick"\noptimiser = "adam"', "optimiser = 'adam': expected one of sgd, muon"),
        ("base", "not TOML"),
    ],
)
def test_bad_files_are_one_line(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        recipe(str(file))
    assert message in str(caught.value) and "mine.toml" in str(caught.value) and "\n" not in str(caught.value)
