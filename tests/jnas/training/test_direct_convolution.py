"""Convolutions that jaxlib has but does not call: XLA's numbers, in the programs of long trainings alone."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental.compilation_cache.compilation_cache import reset_cache

from jnas.training import programs
from jnas.training.batches import epoch_batches
from jnas.training.direct_convolution import TARGET, available, convolved, is_convolved, unkept
from jnas.training.loop import enable_compilation_cache
from jnas.training.programs import Programs
from jnas.training.recipes import RECIPES
from jnas.training.sharding import data_mesh

needed = pytest.mark.skipif(not available(), reason="a jaxlib without them, or one that was not tried")


def of_xla(x, weight, pads, **options):
    axes = ("NHWC", "OIHW", "NHWC")
    return lax.conv_general_dilated(x, weight, options.pop("strides", (1, 1)), pads, dimension_numbers=axes, **options)


def step(x, weight, pads, **options):
    (equation,) = jax.make_jaxpr(lambda *given: of_xla(*given, pads, **options))(x, weight).eqns
    return equation


def drawn(batch, height, width, channels, outputs, kernel):
    generator = np.random.default_rng(0)
    shapes = (batch, height, width, channels), (outputs, channels, *kernel)
    return [generator.normal(size=shape).astype(np.float32) for shape in shapes]


@needed
@pytest.mark.parametrize(
    ("sizes", "kernel", "pads"),
    [
        ((16, 8, 8, 16, 16), (3, 3), ((1, 1), (1, 1))),
        ((5, 7, 9, 3, 10), (3, 3), ((1, 1), (1, 1))),
        ((1, 12, 12, 8, 4), (7, 7), ((3, 3), (3, 3))),
        ((4, 8, 8, 17, 5), (1, 3), ((0, 0), (1, 1))),
        ((2, 9, 6, 4, 6), (2, 4), ((0, 1), (2, 1))),
        ((3, 6, 6, 2, 2), (5, 5), ((0, 0), (0, 0))),
        ((2, 3, 4, 1, 1), (3, 3), ((2, 2), (2, 2))),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_values_and_both_gradients_are_xlas(sizes, kernel, pads, known):
    x, weight = drawn(*sizes, kernel)
    assert is_convolved(step(x, weight, pads))

    def both(convolution):
        def run(x, weight, true):
            y, gradient = jax.vjp(lambda *given: convolution(*given, true), x, weight)
            return y, *gradient(jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))

        return jax.jit(run, static_argnums=(2,) if known else ())(x, weight, True)

    with unkept():
        ours = both(lambda x, weight, true: convolved(x, weight, true, pads))
    for one, other in zip(ours, both(lambda x, weight, _: of_xla(x, weight, pads)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * float(jnp.abs(other).max()))


@pytest.mark.parametrize(
    "options",
    [
        {"strides": (2, 1)},
        {"rhs_dilation": (1, 2)},
        {"lhs_dilation": (2, 2)},
        {"feature_group_count": 2},
        {"pads": ((1, 3), (1, 1))},
        {"pads": ((-1, 1), (1, 1))},
        {"kernel": (1, 1), "pads": ((0, 0), (0, 0))},
        {"batch": 0},
        {"dtype": jnp.bfloat16},
    ],
    ids=str,
)
def test_others_are_left_to_xla(options):
    options = dict(options)
    x, weight = drawn(options.pop("batch", 2), 6, 6, 4, 4, options.pop("kernel", (3, 3)))
    weight = weight[:, : 4 // options.get("feature_group_count", 1)]
    dtype = options.pop("dtype", np.float32)
    pads = options.pop("pads", ((1, 1), (1, 1)))
    assert not is_convolved(step(x.astype(dtype), weight.astype(dtype), pads, **options))


@needed
def test_long_trainings_have_them_and_short_ones_stay_in_the_cache(dataset, make_model, tmp_path, monkeypatch):
    before = jax.config.jax_compilation_cache_dir
    compiled = {}
    for long in (True, False):
        recipe = dataclasses.replace(RECIPES["quick"], epochs=1, batch_size=32)
        monkeypatch.setattr(programs, "LONG", 1 if long else 1000)
        made = Programs([make_model()], dataset, recipe, data_mesh(32, 1))
        carry, data = made.start(), made.place((dataset.train.images, dataset.train.labels))
        batches = epoch_batches(dataset.train, recipe, recipe.learning_rates(3), seed=0, epoch=0)
        enable_compilation_cache(tmp_path / str(long))
        reset_cache()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            chunk = next(iter(made.chunks(batches)))
            made.compile(carry, made.constants([0]), train=(data, chunk))
        compiled[long] = "".join(program.as_text() for program in made._train[1].args)
    enable_compilation_cache(Path(before))
    reset_cache()
    assert {long: TARGET in text for long, text in compiled.items()} == {True: True, False: False}
    kept = [bool(list((tmp_path / str(long)).glob("jit__gradient_step*"))) for long in (True, False)]
    assert kept == [False, True]
