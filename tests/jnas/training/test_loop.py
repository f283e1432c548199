from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnas.training import loop
from jnas.training import programs as programs_module
from jnas.training.batches import epoch_batches
from jnas.training.data import Dataset, Split
from jnas.training.loop import fit, fit_seeds
from jnas.training.recipes import Recipe
from translators.diagnostics import UserError
from translators.runtime import nn
from translators.runtime.construction import constructing
from translators.runtime.state import load_state_dict, state_dict

RECIPE = Recipe(epochs=6, batch_size=16, learning_rate=0.1, crop_padding=0)
Make = Callable[..., nn.Module]


def test_learns_and_reports_a_curve_on_validation(dataset: Dataset, make_model: Make) -> None:
    calls = []
    model = make_model()
    fitted = fit(model, dataset, RECIPE, seed=1, progress=lambda *call: calls.append(call))
    assert fitted.status == "ok" and fitted.accuracy == 1.0 and fitted.loss < 0.2
    assert [epoch.epoch for epoch in fitted.curve] == list(range(6))
    assert fitted.curve[-1].accuracy == fitted.accuracy and fitted.curve[-1].train_loss < fitted.curve[0].train_loss
    assert fitted.seconds_compile > 0 and fitted.seconds_train > 0
    assert [call[1] for call in calls] == list(range(1, 37)) and {call[2] for call in calls} == {36}
    assert calls[-1][0] == 5 and math.isfinite(calls[-1][3])


def test_score_is_that_of_the_trained_model_in_evaluation_mode(dataset: Dataset, make_model: Make) -> None:
    """With one image too many for full batches: padding must not count."""
    model = make_model()
    fitted = fit(model, dataset, replace(RECIPE, epochs=1), seed=1)
    fresh = make_model(seed=9)
    load_state_dict(fresh, fitted.state)
    images = (dataset.validation.images.astype(np.float32) - dataset.mean[0]) / dataset.std[0]
    logits = fresh.eval()(images.transpose(0, 3, 1, 2))
    hits = np.asarray(logits).argmax(-1) == dataset.validation.labels
    assert len(hits) % RECIPE.batch_size
    assert fitted.accuracy == pytest.approx(hits.mean(), abs=1e-6)
    log_likelihood = jax.nn.log_softmax(logits)[np.arange(len(hits)), dataset.validation.labels]
    assert fitted.loss == pytest.approx(-float(log_likelihood.mean()), rel=1e-4)
    for name, array in state_dict(model).items():
        assert np.array_equal(array, fitted.state[name])


class Fork(nn.Module):
    """A product of three, which two convolutions of stride two read, and then a mean."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.mixed = nn.Conv2d(1, 32, 3, padding=1), nn.Conv2d(32, 32, 1, bias=False)
        self.wide, self.short = nn.Conv2d(32, 96, 3, 2, 1), nn.Conv2d(32, 96, 1, 2)
        self.head = nn.Linear(96, 3)

    def forward(self, x: jax.Array) -> jax.Array:
        x = self.stem(x)
        near, far = (nn.functional.max_pool2d(x, size, 1, size // 2) for size in (3, 5))
        product = near * far * self.mixed(near + far)
        return self.head((self.wide(product) + self.short(product)).mean((2, 3)))


def test_networks_whose_values_a_sum_alone_reads_are_scored(dataset: Dataset) -> None:
    """jaxlib 0.10.2 ends the process, unless it is told to leave sums to XLA."""
    with constructing(0):
        assert fit(Fork(), dataset, replace(RECIPE, epochs=1, batch_size=30), seed=1).status == "ok"


def test_statistics_follow_the_batches(dataset: Dataset, make_model: Make) -> None:
    fitted = fit(make_model(), dataset, replace(RECIPE, epochs=1), seed=1)
    assert not np.array_equal(fitted.state["1.running_mean"], np.zeros(8))
    assert fitted.state["1.running_mean"].dtype == np.float32


def test_same_seed_same_curve_bit_for_bit(dataset: Dataset, make_model: Make) -> None:
    recipe = replace(RECIPE, epochs=2, crop_padding=1)

    def curve(seed: int) -> list:
        fitted = fit(make_model(dropout=0.2), dataset, recipe, seed=seed)
        return [(e.train_loss, e.train_accuracy, e.loss) for e in fitted.curve]

    assert curve(3) == curve(3)
    assert curve(3) != curve(4)


def test_test_images_are_scored_once_after_training_on_all_others(dataset: Dataset, make_model: Make) -> None:
    steps = []
    recipe = replace(RECIPE, epochs=2)
    fitted = fit(make_model(), dataset, recipe, seed=1, score_on="test", progress=lambda *call: steps.append(call[2]))
    assert steps[0] == 2 * ((96 + 30) // 16)
    assert [epoch.accuracy is None for epoch in fitted.curve] == [True, False]

    def untouched() -> None:
        raise AssertionError("the search read the test split")

    fit(make_model(), replace(dataset, read_test=untouched), replace(RECIPE, epochs=1), seed=1)


@pytest.mark.parametrize("rate", [1e30, math.nan])
def test_a_loss_that_is_no_number_ends_the_training(rate: float, dataset: Dataset, make_model: Make) -> None:
    fitted = fit(make_model(), dataset, replace(RECIPE, learning_rate=rate), seed=1)
    assert (fitted.status, fitted.accuracy, fitted.loss) == ("nan", None, None)
    assert len(fitted.curve) <= 2


def test_clipping_bounds_the_step(dataset: Dataset, make_model: Make) -> None:
    recipe = replace(RECIPE, epochs=1, batch_size=96, momentum=0.0, nesterov=False, weight_decay=0.0, learning_rate=1.0)
    moved = {}
    for limit in (math.inf, 1e-3):
        model = make_model()
        before = state_dict(model)
        after = fit(model, dataset, replace(recipe, clip_norm=limit), seed=1).state
        moved[limit] = math.sqrt(
            sum(np.sum((after[k] - before[k]) ** 2) for k in after if "weight" in k or "bias" in k)
        )
    assert moved[math.inf] > 0.05
    assert moved[1e-3] == pytest.approx(1e-3, rel=0.01)


def test_a_loss_above_that_of_guessing_for_long_ends_the_training(
    dataset: Dataset, make_model: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "LEAST_PATIENCE", 8)
    noise = np.random.default_rng(0).integers(0, 3, 96).astype(np.int32)
    lost = replace(dataset, train=Split(dataset.train.images, noise))
    fitted = fit(make_model(), lost, replace(RECIPE, learning_rate=1000.0, weight_decay=0.0), seed=1)
    assert (fitted.status, fitted.accuracy, fitted.loss) == ("diverged", None, None)
    assert len(fitted.curve) == 2 and math.isfinite(fitted.curve[-1].train_loss)
    assert fit(make_model(), dataset, RECIPE, seed=1).status == "ok"


@pytest.mark.parametrize(
    "change",
    [
        {"optimiser": "muon", "learning_rate": 0.02},
        {"flip": "alternating"},
        {"cutout": 3},
        {"mixup": 0.2},
        {"average": 0.9},
    ],
)
def test_every_part_of_a_recipe_learns_in_a_way_of_its_own(change: dict, dataset: Dataset, make_model: Make) -> None:
    plain, other = (fit(make_model(), dataset, recipe, seed=1) for recipe in (RECIPE, replace(RECIPE, **change)))
    assert other.accuracy is not None and other.accuracy > 0.9
    assert other.curve[-1].train_loss != plain.curve[-1].train_loss or "average" in change
    assert any(not np.array_equal(array, other.state[name]) for name, array in plain.state.items())


def test_alternating_flips_mirror_every_image_in_every_other_epoch(dataset: Dataset) -> None:
    recipe = replace(RECIPE, flip="alternating")
    rates = recipe.learning_rates(6)
    mirrored = []
    for epoch in range(3):
        batches = epoch_batches(dataset.train, recipe, rates, seed=1, epoch=epoch)
        of_image = np.zeros(96, bool)
        of_image[batches["indices"].ravel()] = batches["mirrored"].ravel()
        mirrored.append(of_image)
    assert np.array_equal(mirrored[0], ~mirrored[1]) and np.array_equal(mirrored[0], mirrored[2])
    assert 30 < mirrored[0].sum() < 66


def test_the_scored_average_is_that_of_all_weights_so_far(dataset: Dataset, make_model: Make) -> None:
    """One step from known weights, at the decay that the first step has."""
    recipe = replace(RECIPE, epochs=1, batch_size=96, average=0.9)
    model = make_model()
    before = {name: array.copy() for name, array in state_dict(model).items()}
    after = fit(make_model(), dataset, replace(recipe, average=0.0), seed=1).state
    averaged = fit(make_model(), dataset, recipe, seed=1).state
    for name, array in averaged.items():
        if "tracked" not in name:
            np.testing.assert_allclose(array, 0.1 * before[name] + 0.9 * after[name], atol=1e-6, err_msg=name)


def test_seeds_side_by_side_equal_seeds_one_by_one(dataset: Dataset, make_model: Make) -> None:
    recipe = replace(RECIPE, epochs=2, crop_padding=1)
    together = fit_seeds([make_model(4), make_model(5)], dataset, recipe, seeds=[4, 5])
    for seed, fitted in zip((4, 5), together, strict=True):
        alone = fit(make_model(seed), dataset, recipe, seed=seed)
        assert fitted.loss == pytest.approx(alone.loss, rel=1e-4) and len(fitted.curve) == 2
        for name, array in alone.state.items():
            np.testing.assert_allclose(fitted.state[name], array, rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    "change",
    [{"learning_rate": 0.01}, {"weight_decay": 0.0}, {"label_smoothing": 0.2}, {"epochs": 2, "warmup": 0.3}],
)
def test_numbers_of_the_recipe_change_results_and_compile_nothing_new(
    change: dict, dataset: Dataset, make_model: Make
) -> None:
    programs = []
    losses = []
    compile_ = programs_module.side_by_side

    def spy(wanted, platform):  # type: ignore[no-untyped-def]
        programs.append([trace().lower().as_text() for trace, _ in wanted])
        return compile_(wanted, platform)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(programs_module, "side_by_side", spy)
        for numbers in ({}, change):
            fitted = fit(make_model(), dataset, replace(RECIPE, **{"epochs": 1, **numbers}), seed=1)
            losses.append(fitted.loss)
    assert losses[0] != losses[1]
    assert programs[0] == programs[1] and len(programs) == 2


def test_scanned_epochs_equal_single_steps(dataset: Dataset, make_model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(RECIPE, epochs=2)
    single = fit(make_model(), dataset, recipe, seed=1)
    monkeypatch.setattr(programs_module, "execution", lambda platform: (True, jnp.float32))
    scanned = fit(make_model(), dataset, recipe, seed=1)
    assert scanned.loss == pytest.approx(single.loss, rel=1e-4)
    for name, array in single.state.items():
        np.testing.assert_allclose(scanned.state[name], array, rtol=1e-3, atol=1e-5, err_msg=name)


def test_bfloat16_computes_and_float32_remains(
    dataset: Dataset, make_model: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs_module, "execution", lambda platform: (True, jnp.bfloat16))
    fitted = fit(make_model(), dataset, RECIPE, seed=1)
    assert fitted.accuracy > 0.9
    assert all(array.dtype in (np.float32, np.int32) for array in fitted.state.values())


def test_the_models_own_arrays_are_not_written_into(dataset: Dataset, make_model: Make) -> None:
    model = make_model()
    weight = model[0].weight[...]
    before = weight.copy()
    fit(model, dataset, replace(RECIPE, epochs=1), seed=1)
    assert np.array_equal(weight, before) and not np.array_equal(model[0].weight[...], before)


def test_batches_larger_than_the_data_are_refused(dataset: Dataset, make_model: Make) -> None:
    with pytest.raises(UserError, match="batch_size = 128: more than the 96 training images"):
        fit(make_model(), dataset, replace(RECIPE, batch_size=128), seed=1)


def test_a_second_process_finds_compiled_programs(tmp_path: Path) -> None:
    program = f"""
import json, sys, jax, jax.numpy as jnp
from pathlib import Path
from jnas.training.loop import enable_compilation_cache
enable_compilation_cache(Path({str(tmp_path)!r}) / "compiled")
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event))
jax.jit(lambda x: jnp.sin(x) @ x)(jnp.ones((8, 8)))
print(json.dumps(hits.count("/jax/compilation_cache/cache_hits")))
"""
    runs = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
        for _ in range(2)
    ]
    assert json.loads(runs[0].stdout) == 0 and json.loads(runs[1].stdout) > 0
